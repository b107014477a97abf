"""How a likelihood goes into a saved Keras model, and comes out of it."""

import os
from pathlib import Path
from typing import Any

import keras
from keras.src.saving import serialization_lib

from lowlevel.likelihoods import Likelihood
from lowlevel.likelihoods.loading import beside, in_process, load, name_of


def likelihood_to_config(likelihood: Likelihood) -> str:
    """Returns a likelihood's name, or FILE.py:NAME; raises ValueError if it has neither."""
    return name_of(likelihood)


def likelihood_from_config(name: str) -> Likelihood:
    """Returns the likelihood of a saved layer.

    Raises:
        ValueError: it is in a file that this process has not run yet, and Keras is in its safe
            mode.
    """
    known = in_process(name)
    if known is None and serialization_lib.in_safe_mode():
        raise ValueError(
            f"Expected a likelihood by name, got {name}, a file that loading the model would run: "
            "if you trust it, load the model with safe_mode=False"
        )
    return known or load(name)


def load_model(path: str | os.PathLike[str], **kwargs: Any) -> keras.Model:
    """Returns a saved model; a likelihood's file may also be beside it, wherever it was before.

    Args:
        path: of the `.keras` file.
        **kwargs: for `keras.saving.load_model`; safe_mode=False where a likelihood is in a file.

    Raises:
        ValueError: the model cannot be read, or its likelihood is in a file and may not be run.
    """
    with beside(Path(path).parent):
        return keras.saving.load_model(path, **kwargs)
