"""A seed for each layer, from the run's one seed."""

import numpy as np


def layer_seeds(seed: int, layers: int) -> list[int]:
    """Returns a seed for the initial weights of each layer, independent of one another.

    Args:
        seed: the run's seed, at least 0.
        layers: how many are wanted.

    Returns:
        Integers from 0 to 2**31 - 3: below what both TensorFlow and Keras take as it is. Of more
        of them the first ones are the same.
    """
    words = np.random.SeedSequence(seed).generate_state(layers, np.uint64)
    return [int(word % (2**31 - 2)) for word in words]
