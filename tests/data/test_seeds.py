"""The layers' seeds."""

from lowlevel.data import layer_seeds


def test_layer_seeds_differ_and_stay_below_what_keras_takes() -> None:
    seeds = layer_seeds(0, 8) + layer_seeds(1, 8)
    assert len(set(seeds)) == 16
    assert min(seeds) >= 0
    assert max(seeds) < 2**31 - 2


def test_a_further_layer_changes_no_other_layers_seed() -> None:
    assert layer_seeds(3, 5)[:2] == layer_seeds(3, 2)
