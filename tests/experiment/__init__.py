"""Runs, their metrics, and both modes compared."""
