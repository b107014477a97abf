"""The checks: what is right passes, and what is wrong is named."""
