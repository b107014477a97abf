"""The split of a table into rows to train on and rows to judge by: a function of the seed."""

import numpy as np

# Keeps it apart from the orders of the batches, which are drawn from the same seed.
_STREAM = 0x5B117


def hold_out(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers of the training rows and of those held out, ascending, int64.

    Where the labels have few values each is split alike, as far as whole rows allow.

    Args:
        labels: `[rows]`.
        share: of the rows that are held out, between 0 and 1.
        seed: of the draw.

    Raises:
        ValueError: a part would be left without rows, or with one label only.
    """
    generator = np.random.default_rng([seed, _STREAM])
    values, group = np.unique(labels, return_inverse=True)
    if len(values) > max(2, len(labels) // 100):
        values, group = values[:1], np.zeros(len(labels), int)
    held = np.zeros(len(labels), bool)
    for value in range(len(values)):
        rows = generator.permutation(np.flatnonzero(group == value))
        held[rows[: round(share * len(rows))]] = True
    for part, name in ((held, "hold-out"), (~held, "training")):
        found = np.unique(labels[part])
        if not found.size or (found.size < 2 <= len(np.unique(labels))):
            raise ValueError(
                f"holdout: a share of {share:g} of {len(labels)} rows leaves {part.sum()} {name} "
                f"rows, of {found.size} label values: change the share, or give more rows"
            )
    return np.flatnonzero(~held), np.flatnonzero(held)
