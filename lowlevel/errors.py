"""Any exception in one line, for messages that say what failed; and one that others handle."""

import re

MOST_CHARACTERS = 300
# Of colours and the like, which some libraries put into their messages.
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class LostWorkerError(Exception):
    """A worker is gone; the others can do nothing more in their processes, but in new ones."""


def in_one_line(error: BaseException) -> str:
    """Returns an exception's type and message in one line, cut where it gets too long."""
    text = str(error)
    if "in user code:" in text:
        # TensorFlow's, of what it traces: a whole traceback, with the exception at its end.
        return shortened(text.strip().splitlines()[-1])
    return shortened(f"{type(error).__name__}: {text}")


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Returns a text in one line, without terminal codes, cut after so many characters."""
    line = " ".join(_TERMINAL_CODES.sub("", text).split())
    return line if len(line) <= most else line[: most - 3] + "..."
