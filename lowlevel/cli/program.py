"""The program: from a command line to an exit code, with one line for whatever goes wrong."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from absl import app, flags, logging

from lowlevel.cli import commands
from lowlevel.cli.flags import Call, define, parse, program
from lowlevel.errors import LostWorkerError, in_one_line, shortened

# As a shell reports a process that the signal has ended.
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

# Of a message, which may say how to leave a thousand columns out.
MOST_CHARACTERS = 2**15


class Terminated(BaseException):
    """SIGTERM, as an exception: what is half-written is cleared away on its way up."""


def main() -> None:
    """Runs the program."""
    define()
    app.run(run, flags_parser=parse_or_exit)


def parse_or_exit(arguments: Sequence[str]) -> Call:
    """Returns what a command line asks for, or ends with one line on what is off."""
    with endings():
        return parse(arguments)


def run(call: Call) -> None:
    """Does what the command line asks for, and exits."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    signal.signal(signal.SIGTERM, terminate)
    with endings():
        if sys.stdout is None:
            raise ValueError("expected an open standard output, got a closed one: try > /dev/null")
        try:
            code = commands.execute(call)
        except LostWorkerError:
            begin_again(call)
        sys.stdout.flush()
    sys.exit(code)


def begin_again(call: Call) -> NoReturn:
    """Has this process begin anew, without its worker that is gone: to wait for another.

    TensorFlow cannot do that in a process that was connected to one.
    """
    from lowlevel.distribution.strategies import DEADLINE

    seconds = call.config.worker_timeout
    os.environ.setdefault(DEADLINE, str(time.monotonic() + seconds))
    sys.stdout.flush()
    say(f"a worker is gone: waits for it, {seconds} seconds")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@contextlib.contextmanager
def endings() -> Iterator[None]:
    """Ends the program, in one line, for what a user can cause."""
    try:
        yield
    except SystemExit as error:
        end("", error.code if isinstance(error.code, int) else 1)
    except ValueError as error:
        end(shortened(str(error), MOST_CHARACTERS))
    except ModuleNotFoundError as error:
        end(f"{error.name} is not installed: pip install -r requirements.txt")
    except ImportError as error:
        end(in_one_line(error))
    except KeyboardInterrupt as error:
        end(": ".join(["interrupted", *map(str, error.args)]), INTERRUPTED)
    except Terminated as error:
        end(": ".join(["terminated", *map(str, error.args)]), TERMINATED)
    except BrokenPipeError:
        # Whoever read the lines is gone, as `| head` is.
        end("")
    except OSError as error:
        # Every file of ours is guarded where it is used: this is standard output's.
        end(_not_written(error))


def end(message: str, code: int = 1) -> NoReturn:
    """Exits with a code, after one line on standard error if there is something to say."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        # Python would flush once more, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
        if not isinstance(error, BrokenPipeError):
            message = message or _not_written(error)
    if message:
        say(message)
    sys.exit(code)


def say(message: str) -> None:
    """Writes one line to standard error, if that can be written to."""
    with contextlib.suppress(OSError, ValueError):
        print(f"{program()}: {message}", file=sys.stderr, flush=True)


def _not_written(error: Exception) -> str:
    return f"cannot write to standard output: {getattr(error, 'strerror', error)}"


def terminate(number: int, frame: FrameType | None) -> None:
    """Raises `Terminated`."""
    raise Terminated
