"""The notebook: it runs, and prints what it shows."""

import pathlib
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "two_ways.ipynb"


def printed(cell: Any) -> str:
    """What a cell has printed, wherever to, or left as its value."""
    return "".join(output.get("text", str(output)) for output in cell.outputs)


def test_the_notebook_runs_and_prints_what_it_shows(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    shown, run = (nbformat.read(NOTEBOOK, as_version=4) for _ in range(2))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(run, timeout=300, resources=resources).execute()
    cells = [cell for cell in shown.cells if cell.cell_type == "code"]
    assert len(cells) == 10
    for before, after in zip(cells, (c for c in run.cells if c.cell_type == "code"), strict=True):
        assert printed(after) == printed(before), f"in the cell {before.id}"
