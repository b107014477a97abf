"""What is held back from standard error comes out where something fails, and only there."""

import os

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
