"""One linear predictor: its sums over the rows of a table, and what rules out a maximum."""
