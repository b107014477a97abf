"""Any exception in one line, for messages that say what failed."""

MOST_CHARACTERS = 300


def in_one_line(error: BaseException) -> str:
    """Returns an exception's type and message in one line, cut where it gets too long."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
