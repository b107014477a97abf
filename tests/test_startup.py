"""What is held back from standard error comes out where something fails, and only there."""

import os
import pathlib

import pytest

from lowlevel import startup


def test_nothing_is_shown_when_all_goes_well(capfd: pytest.CaptureFixture[str]) -> None:
    with startup.held_back_standard_error():
        os.write(2, b"noise")
    assert capfd.readouterr().err == ""


def test_all_is_shown_when_something_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError), startup.held_back_standard_error():
        os.write(2, b"the reason")
        raise ImportError
    assert capfd.readouterr().err == "the reason"


def test_standard_error_works_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with startup.held_back_standard_error():
        pass
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_no_descriptor_is_left_open() -> None:
    def open_descriptors() -> list[str]:
        return sorted(path.name for path in pathlib.Path("/proc/self/fd").iterdir())

    before = open_descriptors()
    with startup.held_back_standard_error():
        pass
    assert open_descriptors() == before


def test_the_number_of_threads_holds_for_the_whole_process() -> None:
    running = startup.start_devices(threads=0)
    assert running >= 1
    assert startup.start_devices(threads=running) == running
    with pytest.raises(ValueError, match=rf"^threads: expected {running}, .* got {running + 1}:"):
        startup.start_devices(threads=running + 1)
    assert startup.start_devices(threads=0) == running
