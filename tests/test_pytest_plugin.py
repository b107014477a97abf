"""The plugin for pytest, as a user's own test suite has it."""

import pathlib
import subprocess
import sys

A_SUITE = """
import numpy as np
import tensorflow as tf

@tf.custom_gradient
def square(x):
    return x**2, lambda upstream: upstream * x

@tf.custom_gradient
def cube(x):
    return x**3, lambda upstream: 3 * upstream * x**2

def test_square(assert_gradient):
    assert_gradient(square, [np.array([1.0, 2.0])])

def test_cube(assert_gradient):
    assert_gradient(cube, [np.array([1.0, 2.0])], order=2)

def test_relu(assert_gradient):
    assert_gradient(tf.nn.relu, [np.array([0.0, 2.0])])
"""


def test_findings_are_shown_as_pytest_shows_an_assertion(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "test_mine.py"
    path.write_text(A_SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "lowlevel_pytest", "-p", "no:xdist"]
    run = subprocess.run(
        [*command, "-c", "/dev/null", f"--rootdir={tmp_path}", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 2 passed" in run.stdout
    assert "E       AssertionError: the gradient of square is not right:" in run.stdout
    assert "argument 0: a factor off at [1] found 2, expected 4: 1/2 of the right one" in run.stdout
    # Not the check's own code.
    assert "findings = check(" not in run.stdout
    assert "UndecidedWarning: argument 0: undecided at [0]" in run.stdout


def test_the_plugin_imports_pytest_alone() -> None:
    start = "import sys, pytest; known = {*sys.modules}; import lowlevel_pytest"
    command = [sys.executable, "-c", f"{start}; print({{*sys.modules}} - known)"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "{'lowlevel_pytest'}\n"
