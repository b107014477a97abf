"""Likelihoods by name, or as FILE.py:NAME from a file of the user's, tried before they are used."""

import contextlib
import contextvars
import functools
import importlib.machinery
import importlib.util
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from lowlevel.errors import in_one_line, shortened
from lowlevel.likelihoods import LIKELIHOODS, Likelihood

# Where a relative FILE.py is looked for besides the working folder.
_folder: contextvars.ContextVar[Path | None] = contextvars.ContextVar("folder", default=None)
# By identity: an instance need not be hashable.
_probed: weakref.WeakValueDictionary[int, Likelihood] = weakref.WeakValueDictionary()


def load(given: str | Likelihood) -> Likelihood:
    """Returns the likelihood that a setting names, or is.

    Args:
        given: a key of `LIKELIHOODS`; "FILE.py:NAME" for the instance called NAME in a Python
            file; or an instance. A file is run, so it must be one you trust; once, until it
            changes. Nothing is written next to it.

    Raises:
        ValueError: there is no such likelihood, or file, or name in it, the file fails to run, or
            a formula does not give numbers of the shape and dtype of its arguments, finite ones
            in the case of `nll` and `mean`, cannot be compiled, or has weights of its own.
    """
    if isinstance(given, Likelihood):
        _probe_once(type(given).__name__, given)
        return given
    if not isinstance(given, str):
        raise ValueError(
            f"likelihood: expected a name, FILE.py:NAME or a Likelihood, got {in_words(given)}"
        )
    if given in LIKELIHOODS:
        return LIKELIHOODS[given]
    file, colon, _ = given.rpartition(":")
    if not colon or not file.endswith(".py"):
        known = ", ".join(LIKELIHOODS)
        raise ValueError(f"Unknown likelihood {given!r}: give one of {known}, or FILE.py:NAME.")
    path = find(file).resolve()
    likelihood = _named(given, path, _run_file(path, path.stat().st_mtime_ns))
    _probe_once(given, likelihood)
    return likelihood


def name_of(likelihood: Likelihood) -> str:
    """Returns what `load` would take for a likelihood: its name, or FILE.py:NAME, absolute.

    Raises:
        ValueError: it is no global name of the file that its class is from.
    """
    for name, member in LIKELIHOODS.items():
        if member is likelihood:
            return name
    module = sys.modules[type(likelihood).__module__]
    file = getattr(module, "__file__", None)
    for name, value in vars(module).items():
        if value is likelihood and file:
            return f"{Path(file).resolve()}:{name}"
    raise ValueError(
        f"Expected a likelihood that can be found again, got {in_words(likelihood)}: give it a "
        "name at the top level of its file, NAME = YourClass()"
    )


def in_process(name: str) -> Likelihood | None:
    """Returns the likelihood that `name_of` gave a name, if it is there without running a file."""
    if name in LIKELIHOODS:
        return LIKELIHOODS[name]
    file, _, attribute = name.rpartition(":")
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and str(Path(path).resolve()) == file:
            found = getattr(module, attribute, None)
            if isinstance(found, Likelihood):
                return found
    return None


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Has a FILE.py that is not where its path says looked for in a folder as well."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def find(file: str) -> Path:
    """Returns the path of a likelihood's file; raises ValueError where there is none."""
    path, folder = Path(file), _folder.get()
    for candidate in (path, *([folder / path, folder / path.name] if folder else [])):
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise ValueError(f"likelihood: cannot read that file ({in_one_line(error)})") from error
    raise ValueError(shortened(f"Expected a Python file with a likelihood, found no file {path}."))


def in_words(value: Any) -> str:
    """Returns what an object is."""
    return f"a class, {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _named(spec: str, path: Path, module: ModuleType) -> Likelihood:
    """Returns the likelihood that a file's module defines under the name of a specification."""
    name = spec.rpartition(":")[2]
    if not hasattr(module, name):
        raise ValueError(f"Likelihood {spec!r}: {path.name} defines no {name!r}.")
    likelihood = getattr(module, name)
    if not isinstance(likelihood, Likelihood):
        kind = "a class, not an instance" if isinstance(likelihood, type) else "no Likelihood"
        raise ValueError(f"Likelihood {spec!r}: {name} is {kind}, define {name} = YourClass().")
    return likelihood


@functools.cache
def _run_file(path: Path, modified: int) -> ModuleType:
    """Returns the module that a Python file defines, run anew once it is modified.

    No __pycache__ is left behind.
    """
    # Known by its whole path, so that it hides no other module. A dataclass in it looks it up.
    loader = importlib.machinery.SourceFileLoader(str(path), str(path))
    plan = importlib.machinery.ModuleSpec(str(path), loader, origin=str(path))
    plan.has_location = True
    module = sys.modules[plan.name] = importlib.util.module_from_spec(plan)
    writes_nothing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[plan.name]
        raise ValueError(f"Cannot run {path}: {in_one_line(error)}") from error
    finally:
        sys.dont_write_bytecode = writes_nothing
    return module


def _probe_once(name: str, likelihood: Likelihood) -> None:
    """Probes what does not ship; those that do are held to more by the tests."""
    ships = any(member is likelihood for member in LIKELIHOODS.values())
    if not ships and _probed.get(id(likelihood)) is not likelihood:
        probe(name, likelihood)
        _probed[id(likelihood)] = likelihood


def probe(name: str, likelihood: Likelihood) -> None:
    """Raises ValueError unless all four give values of the right kind, finite ones if loss or mean.

    They are tried as training has them: on many rows and on one, for sizes that are not known
    when a graph is made, and on a table of logits, which a check uses. NaN in a derivative is for
    the check to show, and to say what to do about it.
    """
    _probe_attributes(f"Likelihood {name!r}", likelihood)
    lowest, highest = (float(np.clip(end, *likelihood.label_range)) for end in (-3, 3))
    for dtype in (tf.float32, tf.float64):
        z = tf.tile(tf.linspace(tf.constant(-3.0, dtype), 3.0, 7), [2])
        y = tf.repeat(tf.constant([lowest, highest], dtype), 7)
        if likelihood.predictors > 1:
            z = tf.repeat(z[:, None], likelihood.predictors, 1)
        for quantity in ("nll", "slope", "curvature", "mean"):
            if likelihood.predictors > 1 and quantity == "curvature":
                continue
            arguments = (z,) if quantity == "mean" else (z, y)
            _probe_formula(f"Likelihood {name!r}: {quantity}", likelihood, quantity, arguments)


def _probe_attributes(subject: str, likelihood: Likelihood) -> None:
    """Raises ValueError unless a likelihood's attributes are of their kinds."""
    try:
        lowest, highest = map(float, likelihood.label_range)
        ordered = lowest < highest
    except (TypeError, ValueError):
        ordered = False
    if not ordered:
        raise ValueError(
            f"{subject}: expected `label_range` to be the lowest and the highest label, got "
            f"{likelihood.label_range!r}."
        )
    predictors, names = likelihood.predictors, likelihood.metrics
    if type(predictors) is not int or predictors < 1:
        raise ValueError(
            f"{subject}: expected `predictors` to be a whole number of at least 1, got "
            f"{predictors!r}."
        )
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{subject}: expected `metrics` to be a tuple of names, got {names!r}.")


def _probe_formula(
    subject: str, likelihood: Likelihood, quantity: str, arguments: tuple[tf.Tensor, ...]
) -> None:
    """Tries one formula; the subject begins each message."""
    function, z = getattr(likelihood, quantity), arguments[0]
    try:
        with tf.GradientTape() as tape:
            values = tf.convert_to_tensor(function(*arguments))
        _compile(function, arguments)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{subject} fails: {in_one_line(error)}") from error
    if tape.watched_variables():
        raise ValueError(
            f"{subject} has a variable to be trained, expected a function of z and y alone: make "
            "it a constant, or a layer's weight."
        )
    shape = z.shape if quantity == "slope" or likelihood.predictors == 1 else z.shape[:-1]
    if values.shape != shape or values.dtype != z.dtype:
        raise ValueError(
            f"{subject} of {z.dtype.name} {z.shape} gives {values.dtype.name} {values.shape}, "
            "expected the same dtype and shape."
        )
    wrong = ~np.isfinite(values)
    if quantity in ("nll", "mean") and wrong.any():
        at = int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
        y = f", y = {arguments[1][at]:g}" if quantity == "nll" else ""
        raise ValueError(
            f"{subject} is {values.numpy()[at]:g} at z = {z.numpy()[at]}{y}, expected a finite "
            "number."
        )


def _compile(function: Callable[..., tf.Tensor], arguments: tuple[tf.Tensor, ...]) -> None:
    """Traces a formula as training has it, without autograph, for every kind of shape it may meet.

    One of unknown size is also run, since that is when a size is put in that was never known.
    """
    compiled = tf.function(function, autograph=False)
    unknown = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in arguments]
    compiled.get_concrete_function(*arguments)
    compiled.get_concrete_function(*unknown)(*arguments)
    function(*(x[:1] for x in arguments))
    if all(x.shape.rank == 1 for x in arguments):
        function(*(tf.reshape(x, [7, 2]) for x in arguments))
