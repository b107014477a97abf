"""What a regression is made of: a table in blocks, sums over it, and what rules out a maximum."""
