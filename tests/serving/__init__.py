"""Exports of a run, and the scores that they give of rows."""
