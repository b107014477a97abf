"""The report of a run, or of a comparison: a page that needs nothing else to be read."""
