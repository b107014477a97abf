"""The command line: the only room that parses, prints and exits."""

from lowlevel.cli.program import main

__all__ = ["main"]
