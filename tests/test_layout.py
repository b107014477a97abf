"""How the project is laid out: who imports whom, who names Keras, what is twin to what, how long.

Rooms are the folders and files right under lowlevel/; arrows point down.
"""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LIBRARY = ROOT / "lowlevel"
PACKAGE = sorted(LIBRARY.rglob("*.py"))
MODULE_MODE, KERAS_MODE = LIBRARY / "module_mode", LIBRARY / "keras_mode"
TWINS = sorted(
    path.name
    for path in MODULE_MODE.glob("*.py")
    if path.name != "__init__.py" and (KERAS_MODE / path.name).exists()
)

# What a loop by hand can do, and `fit` cannot.
WITHOUT_TWIN = {"newton.py", "passes.py"}

# From the top down: a room may import from itself and from the rooms of lower floors.
FLOORS = (
    {"cli"},
    {"serving", "report"},
    {"checks", "storage"},
    {"experiment"},
    {"module_mode", "keras_mode"},
    {"regression", "judging", "encoder", "distribution", "packing"},
    {"data", "likelihoods", "progress", "shares"},
    {"config"},
    {"ranges", "errors", "version"},
)
# It stands apart: only where a process begins may TensorFlow be started.
STARTUP = "startup"
STARTS = ("cli", "distribution", "experiment")

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 40
# Lines that differ between the two model.py: what is Keras's own asking is in other files.
MOST_DIFFERENT = 90

each_file = pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))


def parse(path: pathlib.Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text())


def imports(path: pathlib.Path) -> set[str]:
    """The modules that a file imports, and the names from them."""
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import, which this test does not follow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: pathlib.Path) -> str:
    """The room that a file is in."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    """The floor that a room is on, from the top."""
    (found,) = [number for number, rooms in enumerate(FLOORS) if name in rooms] or [None]
    assert found is not None, f"lowlevel/{name} is on no floor: give it one, in FLOORS"
    return found


@each_file
def test_no_import_goes_up_or_sideways(path: pathlib.Path) -> None:
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    for name in imports(path):
        top, *rest = name.split(".")
        if top != "lowlevel":
            continue
        if rest[0] == STARTUP:
            assert own in STARTS, f"{path} imports {name}"
        else:
            assert own != STARTUP, f"{path} imports {name}"
            assert rest[0] == own or floor(rest[0]) > floor(own), f"{path} imports {name}"


def names_keras(path: pathlib.Path) -> bool:
    """Whether a file imports Keras or reaches for tf.keras."""
    reached = any(
        isinstance(node, ast.Attribute) and ast.unparse(node) in ("tf.keras", "tensorflow.keras")
        for node in ast.walk(parse(path))
    )
    return reached or any("keras" in name.split(".") for name in imports(path))


@each_file
def test_keras_is_named_in_keras_mode_alone(path: pathlib.Path) -> None:
    assert not names_keras(path) or room(path) == "keras_mode"


def test_the_check_above_would_find_keras() -> None:
    assert names_keras(KERAS_MODE / "model.py")


WITHOUT_KERAS_MODE = """
import sys, lowlevel
table = lowlevel.Table([[1.0], [2.0]], [0, 1])
lowlevel.train("module", lowlevel.Config(epochs=1), table)
assert "lowlevel.module_mode.training" in sys.modules
assert not [name for name in sys.modules if name.startswith("lowlevel.keras_mode")]
"""


def test_module_mode_leaves_keras_mode_alone() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_KERAS_MODE], cwd=ROOT, check=True)


def imports_tensorflow(path: pathlib.Path) -> bool:
    """Whether a file imports TensorFlow itself."""
    return any(name.split(".")[0] == "tensorflow" for name in imports(path))


@pytest.mark.parametrize("name", ["config", "errors", "data", "progress", "storage"])
def test_a_room_does_without_tensorflow(name: str) -> None:
    """What the command line needs before TensorFlow is there."""
    files = [path for path in PACKAGE if room(path) == name]
    assert files
    assert not [path for path in files if imports_tensorflow(path)]


def calls_by_name(path: pathlib.Path) -> Iterator[str]:
    """Yields what a file calls, as it is written."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@each_file
def test_only_the_command_line_prints_and_exits(path: pathlib.Path) -> None:
    barred = {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write", "input"}
    assert room(path) == "cli" or not barred & set(calls_by_name(path))


@each_file
def test_files_and_functions_are_short(path: pathlib.Path) -> None:
    if room(path) != "checks":
        assert len(path.read_text().splitlines()) <= MOST_LINES
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            assert lines <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {lines} lines"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function's docstring has."""
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return node.body[0].end_lineno - node.body[0].lineno + 1


def test_module_mode_has_no_file_that_keras_mode_lacks() -> None:
    names = {path.name for path in MODULE_MODE.glob("*.py")} - WITHOUT_TWIN
    assert names <= {path.name for path in KERAS_MODE.glob("*.py")}
    assert {"layers.py", "model.py", "optimizers.py", "training.py"} <= set(TWINS)


def definitions(path: pathlib.Path) -> list[str]:
    """The names that a file defines at its top level, and each class's methods, in order."""
    found = []
    for node in parse(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [ast.unparse(target) for target in targets]
        if isinstance(node, ast.ClassDef):
            found += [
                f"{node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef)
            ]
    return found


@pytest.mark.parametrize("name", TWINS)
def test_what_both_modes_have_stands_in_the_same_order(name: str) -> None:
    by_hand, in_keras = (definitions(folder / name) for folder in (MODULE_MODE, KERAS_MODE))
    both = set(by_hand) & set(in_keras)
    assert [n for n in by_hand if n in both] == [n for n in in_keras if n in both]


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        (
            "model.py",
            {"CustomModel", *map("CustomModel.{}".format, ("latent", "loss_fn", "train_step"))},
        ),
        ("layers.py", {"Standardize", "Dense", "Sequential", "linear_predictor", "Logistic"}),
        ("optimizers.py", {"OPTIMIZERS", "make_optimizer"}),
        ("training.py", {"build", "start", "train", "named_weights", "linear_predictor"}),
    ],
)
def test_both_modes_have_the_same_names_for_the_same_things(name: str, shared: set[str]) -> None:
    for folder in (MODULE_MODE, KERAS_MODE):
        assert shared <= set(definitions(folder / name))


def test_the_two_models_differ_in_few_lines() -> None:
    files = [MODULE_MODE / "model.py", KERAS_MODE / "model.py"]
    found = subprocess.run(["diff", *files], capture_output=True, text=True, check=False).stdout
    different = [line for line in found.splitlines() if line.startswith(("<", ">"))]
    assert 0 < len(different) <= MOST_DIFFERENT
