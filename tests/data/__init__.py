"""The table, its source, and the order of its rows."""
