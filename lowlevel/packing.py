"""A snapshot as bytes: arrays as NumPy writes them, and a SHA-256 of them at the end."""

import hashlib
import io
import json
from typing import Any

import numpy as np

from lowlevel.progress import Snapshot

_DIGEST_BYTES = hashlib.sha256().digest_size


def packed(snapshot: Snapshot) -> bytes:
    """Returns a snapshot as bytes."""
    buffer = io.BytesIO()
    facts = np.frombuffer(json.dumps(snapshot.facts).encode(), np.uint8)
    arrays: dict[str, Any] = {"facts": facts, **snapshot.arrays}
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    return content + hashlib.sha256(content).digest()


def unpacked(whole: bytes) -> Snapshot:
    """Returns the snapshot in bytes; raises ValueError if they are damaged."""
    content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("it is cut short, or changed")
    with np.load(io.BytesIO(content)) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return Snapshot(found, json.loads(found.pop("facts").tobytes()))
