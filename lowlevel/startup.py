"""Importing TensorFlow without the lines that it writes to standard error on a CPU machine."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and wakes its devices; standard error stays empty unless that fails.

    Some lines are written before TensorFlow's logger is up, and no variable silences them: file
    descriptor 2 leads elsewhere for as long as it takes. Where it fails, all that was held back
    is shown. Settings already in the environment win.
    """
    # Errors only; TensorFlow reads it once, at its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Fewer differences between processors: oneDNN picks other kernels on each.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with held_back_standard_error():
        import tensorflow

        # Without a GPU, the first use of a device reports an error that is none.
        tensorflow.config.list_logical_devices()


@contextlib.contextmanager
def held_back_standard_error() -> Iterator[None]:
    """Keeps what the process writes to file descriptor 2, and writes it there on an error."""
    sys.stderr.flush()
    descriptor = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except Exception:
            held_back.seek(0)
            os.write(descriptor, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(descriptor, 2)
            os.close(descriptor)
