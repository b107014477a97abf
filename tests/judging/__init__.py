"""Judging a model on rows: every metric against something independent."""
