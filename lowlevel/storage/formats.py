"""Values and rows as the bytes of files."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def as_json(values: Mapping[str, Any]) -> bytes:
    """Returns values as JSON, in which what is not finite is null, and an object its class."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(part) for name, part in value.items()}
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return (json.dumps(plain(values), indent=2, default=lambda o: type(o).__name__) + "\n").encode()


def as_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """Returns rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
