"""Importing TensorFlow and starting its devices, without the lines that it writes on the way."""

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator

MOST_THREADS = 1024

# A shell that waits for a word, and where none comes, since the process is gone, shows what was
# held back.
_WATCHER = 'read -r word; test "$word" || exec cat /proc/self/fd/2'


def import_tensorflow() -> None:
    """Imports TensorFlow; standard error stays empty unless that fails.

    Settings already in the environment win.

    Raises:
        ValueError: KERAS_BACKEND names another backend than TensorFlow.
    """
    # TensorFlow's own import brings in a part of Keras, which a file in the user's home may also
    # tell to use another backend.
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ValueError(f"KERAS_BACKEND: expected tensorflow, got {backend}: unset it for this")
    # Errors only; TensorFlow reads it once, at its import. Among several workers, whatever waits
    # for one that is gone writes an error of its own, and then raises it as well.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if "TF_CONFIG" in os.environ else "2")
    # Fewer differences between processors: oneDNN picks other kernels on each.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with held_back_standard_error():
        import tensorflow  # noqa: F401


def start_devices(
    threads: int, virtual_devices: int = 1, connect: Callable[[], object] | None = None
) -> int:
    """Starts TensorFlow's devices with a number of threads for an operation; returns that number.

    It holds for the whole process, from the first use of a device on.

    Args:
        threads: 0 for what the process has, or as many as it may use.
        virtual_devices: into how many the processor is split; 1 for as many as it is.
        connect: what uses the devices first, where that has to come before all else.

    Raises:
        ValueError: the process has begun with another number.
    """
    running, devices = _started(threads, virtual_devices, connect)
    if virtual_devices not in (1, devices):
        raise ValueError(
            f"virtual_devices: expected {devices}, with which TensorFlow has begun in this "
            f"process, got {virtual_devices}: set it before TensorFlow's first use"
        )
    if threads not in (0, running):
        raise ValueError(
            f"threads: expected {running}, with which TensorFlow has begun in this process, got "
            f"{threads}: set it before TensorFlow's first use, or in a process of its own"
        )
    return running


@functools.cache
def _started(
    threads: int, virtual_devices: int, connect: Callable[[], object] | None
) -> tuple[int, int]:
    """Starts TensorFlow's devices, unless they are; returns how many threads and CPUs there are."""
    import tensorflow as tf

    settings = tf.config.threading
    usable = _usable_threads()
    # Without a GPU, the first use of a device reports an error that is none.
    with held_back_standard_error():
        if not settings.get_intra_op_parallelism_threads():
            # Where devices are in use already, they have the default.
            with contextlib.suppress(RuntimeError):
                settings.set_intra_op_parallelism_threads(threads or usable)
        if virtual_devices > 1:
            parts = [tf.config.LogicalDeviceConfiguration()] * virtual_devices
            with contextlib.suppress(RuntimeError):
                tf.config.set_logical_device_configuration(
                    tf.config.list_physical_devices("CPU")[0], parts
                )
        refusal = None
        try:
            if connect:
                connect()
        except ValueError as error:
            # It says what there is to say, and TensorFlow's own lines nothing more.
            refusal = error
        devices = [] if refusal else tf.config.list_logical_devices("CPU")
    if refusal:
        raise refusal
    return settings.get_intra_op_parallelism_threads() or usable, len(devices)


def _usable_threads() -> int:
    """Returns how many threads the environment says, or else as many as there are processors."""
    name = "TF_NUM_INTRAOP_THREADS"
    text = os.environ.get(name) or "0"
    if not (text.isascii() and text.isdecimal() and int(text) <= MOST_THREADS):
        raise ValueError(
            f"{name}: expected a whole number of at most {MOST_THREADS}, got {text!r}: unset it, "
            "or set it anew"
        )
    return int(text) or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def held_back_standard_error() -> Iterator[None]:
    """Keeps what the process writes to file descriptor 2, and writes it there on an error.

    Some lines are written before TensorFlow's logger is up, and no variable silences them. They are
    shown where the body raises, and also where it ends the process, which a flag that TensorFlow
    does not know does without a word to Python: a shell that outlives it has seen to that.
    """
    try:
        shown = os.dup(2)
    except OSError:  # It is closed, and there is nothing to hold back.
        yield
        return
    _flush()
    held_back = os.memfd_create("held back")
    ended, end = os.pipe()
    watcher = _watch(shown, held_back, ended)
    os.dup2(held_back, 2)
    word = b"nothing\n"
    try:
        yield
    except Exception:
        word = b"\n"
        raise
    finally:
        _flush()
        os.dup2(shown, 2)
        os.close(ended)
        with contextlib.suppress(BrokenPipeError):
            os.write(end, word)
        os.close(end)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(watcher, 0)
        os.close(held_back)
        os.close(shown)


def _watch(shown: int, held_back: int, ended: int) -> int:
    """Starts the shell that watches over this process; returns its number.

    Args:
        shown: a descriptor of the real standard error.
        held_back: one of the file that takes its place.
        ended: what the shell reads its word from; at its end, this process is gone.
    """
    # In this order: where 0 and 1 are closed, these descriptors are among them.
    moves = [
        (os.POSIX_SPAWN_DUP2, held_back, 2),
        (os.POSIX_SPAWN_DUP2, shown, 1),
        (os.POSIX_SPAWN_DUP2, ended, 0),
    ]
    # Ctrl-C goes to every process of the terminal; the shell is to hear it last.
    return os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _WATCHER],
        os.environ,
        file_actions=moves,
        setsigmask=signal.valid_signals(),
    )


def _flush() -> None:
    """Writes out what Python has kept of standard error, which is None where it was closed."""
    if sys.stderr:
        sys.stderr.flush()
