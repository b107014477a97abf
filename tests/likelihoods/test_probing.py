"""A likelihood is tried before it is used: what does not work is refused in one line."""

import dataclasses
from collections.abc import Callable

import pytest
import tensorflow as tf

from lowlevel.likelihoods import Likelihood
from lowlevel.likelihoods.loading import in_words, load
from tests.likelihoods.cases import Normal, Poisson

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Mean = Callable[[tf.Tensor], tf.Tensor]


class Custom(Likelihood):
    """Logistic regression whose loss, or mean, may be another function."""

    scale = tf.Variable(1.0)

    def __init__(self, loss: Loss | None = None, mean: Mean | None = None) -> None:
        self.loss, self.other_mean = loss, mean

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return self.loss(z, y) if self.loss else tf.nn.softplus(z) - y * z

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return self.other_mean(z) if self.other_mean else tf.sigmoid(z)


@dataclasses.dataclass
class Unhashable(Custom):
    """A dataclass whose instances compare, and so have no hash."""

    steepness: float = 2.0

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(self.steepness * z) - y * self.steepness * z

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(self.steepness * z)


@pytest.mark.parametrize("likelihood", [Custom(), Unhashable(), Poisson(), Normal()], ids=in_words)
def test_an_instance_that_works_is_handed_back(likelihood: Likelihood) -> None:
    assert load(likelihood) is likelihood


FAULTY_LOSSES = {
    "a sum": (lambda z, y: tf.reduce_sum(z * y), r"nll of float32 \(14,\) gives float32 \(\)"),
    "broadcast": (lambda z, y: z[:, None] * y, r"gives float32 \(14, 14\)"),
    "another dtype": (lambda z, y: tf.cast(z, tf.float64), r"gives float64 \(14,\)"),
    "float32 alone": (lambda z, y: tf.cast(z * y, tf.float32), r"nll of float64 .* gives float32"),
    "NaN": (lambda z, y: tf.math.log(z), r"nll is nan at z = -3\.0, y = 0, expected a finite"),
    "infinity": (lambda z, y: 1.0 / z, r"nll is inf at z = 0\.0, y = 0"),
    "a misspelt name": (lambda z, y: undefined, "nll fails: NameError"),  # noqa: F821
    "a weight": (lambda z, y: tf.cast(Custom.scale, z.dtype) * z, "nll has a variable to be train"),
    "eager alone": (lambda z, y: z + 0 * z.numpy(), "nll fails: .* no attribute 'numpy'"),
    "a size too early": (lambda z, y: z + tf.zeros(z.shape, z.dtype), "nll fails: "),
    "a length too early": (lambda z, y: z + [0.0] * len(z), "nll fails: "),
    "two rows at least": (lambda z, y: z + 0 * z[1], "nll fails: "),
    "vectors alone": (lambda z, y: tf.ensure_shape(z, [None]), "nll fails: "),
}
FAULTY_MEANS = {
    "NaN": (lambda z: tf.math.log(z), r"mean is nan at z = -3\.0, expected a finite number"),
    "a sum": (lambda z: tf.reduce_mean(z), r"mean of float32 \(14,\) gives float32 \(\)"),
    "a size too early": (lambda z: tf.zeros(z.shape, z.dtype), "mean fails: "),
}


@pytest.mark.parametrize(("loss", "message"), FAULTY_LOSSES.values(), ids=FAULTY_LOSSES)
def test_a_loss_that_does_not_work_is_refused_in_one_line(loss: Loss, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Likelihood 'Custom': .*{message}") as caught:
        load(Custom(loss))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("mean", "message"), FAULTY_MEANS.values(), ids=FAULTY_MEANS)
def test_a_mean_that_does_not_work_is_refused_in_one_line(mean: Mean, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Likelihood 'Custom': {message}") as caught:
        load(Custom(mean=mean))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("label_range", None),
        ("label_range", (1, 0)),
        ("label_range", "ab"),
        ("predictors", "2"),
        ("predictors", 0),
        ("predictors", True),
        ("metrics", "accuracy"),
        ("metrics", None),
    ],
)
def test_an_attribute_of_another_kind_is_refused_by_its_name(attribute: str, value: object) -> None:
    faulty = Custom()
    setattr(faulty, attribute, value)
    with pytest.raises(ValueError, match=f"`{attribute}` to be .*, got "):
        load(faulty)


def test_a_formula_that_exits_does_not_end_the_program() -> None:
    def leave(z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        raise SystemExit(0)

    with pytest.raises(ValueError, match="nll fails: SystemExit"):
        load(Custom(leave))
