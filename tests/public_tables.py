"""Binary tables that others have made and published, as CSV files: as they come with libraries."""

import gzip
import pathlib
import re
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets

from lowlevel.data.settings import DataSettings


class Public(NamedTuple):
    """A public table, and how it is read.

    Attributes:
        text: the file's.
        settings: of the data.
    """

    text: str
    settings: dict[str, Any]


def cancer() -> Public:
    """Four numbers of scikit-learn's breast cancer table, with words for labels."""
    found = datasets.load_breast_cancer()
    names = ["mean radius", "mean texture", "mean smoothness", "mean symmetry"]
    places = [list(found.feature_names).index(name) for name in names]
    rows = [
        ",".join([*map(repr, x.tolist()), str(found.target_names[y])])
        for x, y in zip(found.data[:, places], found.target, strict=True)
    ]
    text = "\n".join([",".join([*names, "diagnosis"]), *rows]) + "\n"
    return Public(text, {"label": "diagnosis", "positive": "malignant"})


def titanic() -> Public:
    """OpenML's 40945, text and missing values, in the copy that scikit-learn tests itself with.

    What tells the label (`boat`, `body`) and what has hundreds of levels is left out.
    """
    folder = resources.files("sklearn.datasets.tests.data.openml.id_40945")
    arff = gzip.decompress((folder / "data-v1-dl-16826755.arff.gz").read_bytes()).decode()
    head, _, rows = arff.partition("@data\n")
    names = re.findall(r"@attribute '(.+)' ", head)
    drop = ("name", "ticket", "cabin", "boat", "body", "home.dest")
    return Public(
        ",".join(names) + "\n" + rows, {"label": "survived", "drop": drop, "missing": "mean"}
    )


def health() -> Public:
    """RAND's Health Insurance Experiment, by statsmodels: health that is poor, in 1.5% of the rows.

    The other two answers to that question, which rule this one out, are left out.
    """
    file = resources.files("statsmodels.datasets.randhie") / "randhie.csv"
    return Public(file.read_text(), {"label": "hlthp", "drop": ("hlthg", "hlthf")})


PUBLIC = {"cancer": cancer, "titanic": titanic, "health": health}


def written(name: str, folder: pathlib.Path, **more: Any) -> DataSettings:
    """Writes a public table; returns the settings that read it, with some changed."""
    text, settings = PUBLIC[name]()
    path = folder / f"{name}.csv"
    path.write_text(text)
    return DataSettings(train=str(path), **{**settings, **more})


def by_pandas(settings: DataSettings) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns a table's columns and its labels as pandas reads them."""
    frame = pd.read_csv(settings.train, na_values=["?"])
    labels = frame.pop(settings.label)
    labels = labels == settings.positive if settings.positive else labels
    return frame.drop(columns=list(settings.drop)), labels.to_numpy(float)
