"""The tests: one file for each file of the project, and what crosses them."""
