"""The progress bar: on a terminal, below the lines that are printed, and nowhere else."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator

import pytest

from lowlevel.cli.progress_bar import Bar
from lowlevel.progress import Epoch

COLUMNS = 100


class Terminal:
    """A pseudoterminal, and all that was written to it."""

    def __init__(self) -> None:
        """Opens it, and reads what comes, since a full one would have its writer wait."""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self.file = os.fdopen(slave, "w", encoding="utf-8")
        self._written = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        """Reads until the other end is closed, which is an error on Linux."""
        try:
            while piece := os.read(self.master, 4096):
                self._written += piece
        except OSError:
            pass

    def close(self) -> None:
        """Closes it, when all is read."""
        self.file.close()
        self.reader.join()
        os.close(self.master)

    @property
    def written(self) -> str:
        """All that was written, when it is closed."""
        return self._written.decode()


def screen(written: str) -> list[str]:
    """The lines that a terminal shows in the end: a carriage return goes back over a line."""
    lines, column = [""], 0
    for sign in written:
        if sign == "\r":
            column = 0
        elif sign == "\n":
            lines.append("")
            column = 0
        else:
            assert sign.isprintable(), f"{sign!r} moves the cursor in a way not known here"
            lines[-1] = lines[-1].ljust(column)[:column] + sign + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """One that standard output and standard error both go to."""
    made = Terminal()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", made.file)
        patched.setattr(sys, "stderr", made.file)
        try:
            yield made
        finally:
            made.close()


def without_seconds(lines: list[str]) -> list[str]:
    """A run's lines, less the times that its epochs took."""
    return [re.sub(r"(  +\d+\.\d{3})+$", "", line) for line in lines]


@pytest.mark.parametrize(("mode", "epochs"), [("module", 6), ("keras", 6), ("compare", 12)])
def test_the_bar_is_below_the_lines_and_gone_in_the_end(
    mode: str, epochs: int, main_in_process: Callable
) -> None:
    flags = (f"--mode={mode}", "--epochs=6", "--report_every=2", "--standardize")
    with terminal() as shown:
        assert main_in_process(*flags).returncode == 0
    piped = main_in_process(*flags)
    assert piped.stderr == ""
    assert without_seconds(screen(shown.written)) == without_seconds(
        [*piped.stdout.splitlines(), ""]
    )
    bars = re.findall(r"(\d+)/(\d+) \[\d\d:\d\d<[^]]*, nll 0\.\d{6}\]", shown.written)
    assert {int(total) for _, total in bars} == {epochs}
    done = [int(number) for number, _ in bars]
    assert done == sorted(done) and done[-1] == epochs


def test_a_run_that_goes_on_begins_with_what_is_done() -> None:
    with terminal() as shown, Bar(100) as bar:
        bar.follow(Epoch(60, 0.5, 0.1))
        bar.follow(Epoch(80, 0.25, 0.1))
        bar.above(print)("a line")
    assert " 60/100 " in shown.written and " 80/100 " in shown.written
    assert "nll 0.250000" in shown.written
    # The time left is by the rate since it went on.
    assert re.search(r"\[00:00<00:00, +[^?]+ epochs/s, nll 0.25", shown.written)
    assert screen(shown.written) == ["a line", ""]


def test_what_fails_leaves_a_clean_line() -> None:
    with terminal() as shown, pytest.raises(KeyboardInterrupt), Bar(3) as bar:
        bar.follow(Epoch(1, 0.5, 0.1))
        raise KeyboardInterrupt
    assert screen(shown.written) == [""]


def test_no_bar_is_made_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with Bar(3) as bar:
        bar.follow(Epoch(1, 0.5, 0.1))
        bar.above(print)("a line")
    assert capfd.readouterr() == ("a line\n", "")


def test_a_closed_standard_error_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Bar(3) as bar:
        bar.follow(Epoch(1, 0.5, 0.1))
