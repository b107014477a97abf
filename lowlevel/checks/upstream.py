"""Upstream gradients: those that a gradient is tried with."""

from collections.abc import Sequence

import numpy as np

from lowlevel.checks.subject import Subject, flat


def rows(upstream: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Returns upstream gradients, each a list of arrays, as the rows of one array in float64."""
    return np.array([flat(given) for given in upstream])


def upstreams(subject: Subject, seed: int) -> list[list[np.ndarray]]:
    """Returns upstream gradients: ones, random numbers of either sign, and their squares."""
    generator = np.random.default_rng(seed)
    random = [
        np.asarray(generator.choice([-1, 1], v.shape) * generator.uniform(0.5, 2, v.shape), v.dtype)
        for v in subject.value
    ]
    return [[np.ones_like(v) for v in subject.value], random, [np.square(u) for u in random]]
