"""Arrows point down: who may import whom, and who may name Keras."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "lowlevel").rglob("*.py"))


def imports(path: pathlib.Path) -> set[str]:
    """The modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def names_keras(path: pathlib.Path) -> bool:
    """Whether a file imports Keras or reaches for tf.keras."""
    reached = any(
        isinstance(node, ast.Attribute) and node.attr == "keras"
        for node in ast.walk(ast.parse(path.read_text()))
    )
    return reached or any("keras" in name.split(".") for name in imports(path))


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_keras_is_named_in_keras_mode_alone(path: pathlib.Path) -> None:
    assert names_keras(path) <= ("keras_mode" in path.parts)


def test_the_check_above_would_find_keras() -> None:
    assert names_keras(ROOT / "lowlevel" / "keras_mode" / "model.py")


@pytest.mark.parametrize("wing", ["module_mode", "keras_mode"])
def test_a_wing_imports_nothing_from_above_or_beside_it(wing: str) -> None:
    beside = {"module_mode": "keras_mode", "keras_mode": "module_mode"}[wing]
    barred = (f"lowlevel.{beside}", "lowlevel.modes", "lowlevel.comparison")
    for path in (ROOT / "lowlevel" / wing).glob("*.py"):
        assert not [name for name in imports(path) if name and name.startswith(barred)]


def test_module_mode_leaves_keras_mode_alone(data_dir: str) -> None:
    program = (
        "import sys; sys.argv = ['main.py', '--epochs=1', sys.argv[1]]\n"
        "import main\n"
        "main.main(main.parse_flags(sys.argv))\n"
        "assert 'lowlevel.module_mode.training' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('lowlevel.keras_mode')]\n"
    )
    command = [sys.executable, "-c", program, f"--data_dir={data_dir}"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_the_two_wings_have_files_of_the_same_names() -> None:
    names = {
        wing: {path.name for path in (ROOT / "lowlevel" / wing).glob("*.py")}
        for wing in ("module_mode", "keras_mode")
    }
    assert names["module_mode"] == names["keras_mode"]
