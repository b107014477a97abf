"""An export against the run that it is of: a fresh process loads it and scores the same rows."""

import os
import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from lowlevel.encoder import Encoder, encode
from lowlevel.errors import shortened
from lowlevel.experiment import Run

if TYPE_CHECKING:
    import pyarrow as pa

_PROGRAM = "import sys; from lowlevel.serving import fresh; fresh.main(*sys.argv[1:])"
_PACKAGE = pathlib.Path(__file__).parents[2]


def verify(run: Run, encoder: Encoder, rows: "pa.Table", folder: pathlib.Path) -> dict[str, float]:
    """Returns the largest difference from a run's own scores, in ulp of those, by model.

    Args:
        run: the run.
        encoder: of its columns.
        rows: as they were given.
        folder: of the exported models.

    Raises:
        ValueError: they cannot be loaded, or half of the digits or more are others.
    """
    features, _ = encode(encoder, rows)
    own = np.asarray(run.model(features))[:, 0]
    found = {}
    for name, scores in score(encoder, rows, folder, run.config.threads).items():
        found[name] = largest_ulp(own, scores)
        # NaN is no less.
        if not found[name] * np.sqrt(np.finfo(own.dtype).eps) < 1:
            raise ValueError(
                f"output_dir: expected the exported {name} to score as the run does, got scores "
                f"that differ by up to {found[name]:g} ulp in a fresh process; --noexport writes "
                "the run without it"
            )
    return found


def score(
    encoder: Encoder, rows: "pa.Table", folder: pathlib.Path, threads: int
) -> dict[str, np.ndarray]:
    """Returns the scores of rows by each model of a folder, loaded in a fresh process."""
    from pyarrow import feather

    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "schema.json").write_text(encoder.schema.to_json())
        feather.write_feather(rows, work / "rows.feather")
        files = [work / file for file in ("schema.json", "rows.feather", "scores.npz")]
        # Of the same bits: no other device, and as many threads.
        settings = {"CUDA_VISIBLE_DEVICES": "-1", "TF_NUM_INTRAOP_THREADS": str(threads)}
        path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]))
        ended = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(folder.resolve()), *map(str, files)],
            env={**os.environ, **settings, "PYTHONPATH": path},
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            said = (ended.stderr.strip().splitlines() or ["nothing"])[-1]
            raise ValueError(
                f"output_dir: the exported model cannot be loaded in a fresh process, which says: "
                f"{shortened(said)}; --noexport writes the run without it"
            )
        with np.load(files[-1]) as arrays:
            return dict(arrays)


def largest_ulp(own: np.ndarray, other: np.ndarray) -> float:
    """Returns the largest difference of scores from a run's own, in ulp of each of those.

    Below the smallest normal number, where hardware may round to 0, an ulp is that number's.
    """
    smallest = np.finfo(own.dtype).tiny
    return float(np.max(np.abs(other - own) / np.spacing(np.maximum(np.abs(own), smallest))))
