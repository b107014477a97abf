"""The check of objectives in NumPy: what users of boosted trees get wrong is named."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax

from lowlevel.checks import assert_objective, check_objective, verdicts

RANDOM = np.random.default_rng(0)
Z = np.concatenate([RANDOM.normal(scale=3, size=60), [0.0, -30.0, 30.0, 1e-9]])
Y = RANDOM.integers(0, 2, len(Z)).astype(float)
WEIGHT = RANDOM.uniform(0.5, 3, len(Z))
CLASSES = RANDOM.integers(0, 3, 40)
SCORES = RANDOM.normal(size=(40, 3))


def loss(z: np.ndarray) -> np.ndarray:
    return -(Y * log_expit(z) + (1 - Y) * log_expit(-z))


def gradient(z: np.ndarray) -> np.ndarray:
    return (1 - Y) * expit(z) - Y * expit(-z)


def hessian(z: np.ndarray) -> np.ndarray:
    return expit(z) * expit(-z)


def class_loss(z: np.ndarray) -> np.ndarray:
    return -log_softmax(z, axis=1)[np.arange(len(z)), CLASSES]


def class_objective(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = softmax(z, axis=1)
    return p - np.eye(3)[CLASSES], p * (1 - p)


def found(
    of_gradient: Callable[[np.ndarray], np.ndarray] = gradient,
    of_hessian: Callable[[np.ndarray], np.ndarray] = hessian,
) -> list[tuple[str, str]]:
    """What is found of an objective, by fault and place."""
    findings = check_objective(lambda z: (of_gradient(z), of_hessian(z)), loss, Z)
    return [(finding.fault, finding.where) for finding in findings]


def test_nothing_is_found_of_a_right_objective() -> None:
    assert found() == []


def test_nothing_is_found_of_one_in_float32() -> None:
    assert found(lambda z: np.float32(gradient(z)), lambda z: np.float32(hessian(z))) == []


def test_nothing_is_found_of_a_hessian_with_a_floor() -> None:
    assert found(of_hessian=lambda z: np.maximum(hessian(z), 1e-16)) == []
    assert found(of_hessian=lambda z: np.maximum(hessian(z), 1e-7)) == []


def saturated(
    of_gradient: Callable[[np.ndarray], np.ndarray],
    of_hessian: Callable[[np.ndarray], np.ndarray],
) -> list[tuple[str, str]]:
    """What is found of an objective for predictions most of which are far from 0."""
    z = np.array([-40.0, -25, -17, -3, 0.1, 3, 17, 25, 40])
    labels = (z > 0).astype(float)
    findings = check_objective(
        lambda z: (of_gradient(z) - labels, of_hessian(z)),
        lambda z: -(labels * log_expit(z) + (1 - labels) * log_expit(-z)),
        z,
    )
    return [(finding.fault, finding.where) for finding in findings]


def test_nothing_is_found_of_differences_that_cancel() -> None:
    assert saturated(expit, lambda z: expit(z) * (1 - expit(z))) == []


@pytest.mark.parametrize(
    "change", [lambda h: 2 * h, lambda h: 0 * h, lambda h: h + 1e-8], ids=["2", "0", "more"]
)
def test_a_small_hessian_that_is_wrong_is_found(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    def of_hessian(z: np.ndarray) -> np.ndarray:
        right = hessian(z)
        return np.where(right < 1e-6, change(right), right)

    assert [where for _, where in saturated(expit, of_hessian)] == ["Hessian"]


def test_nothing_is_found_of_a_small_gradient_in_float32() -> None:
    def objective(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = expit(np.float32(z))
        return p - np.float32(Y), p * (1 - p)

    assert check_objective(objective, loss, Z) == []


def test_nothing_is_found_of_weights_in_both() -> None:
    def weighted(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return WEIGHT * gradient(z), WEIGHT * hessian(z)

    assert check_objective(weighted, lambda z: WEIGHT * loss(z), Z) == []


def test_nothing_is_found_of_several_outputs() -> None:
    assert check_objective(class_objective, class_loss, SCORES) == []


def test_the_gradient_of_the_likelihood_in_place_of_the_loss_is_a_wrong_sign() -> None:
    assert (verdicts.WRONG_SIGN, "gradient") in found(lambda z: -gradient(z))


def test_a_mean_in_place_of_a_sum_is_a_factor_with_the_rows() -> None:
    findings = check_objective(lambda z: (gradient(z) / len(z), hessian(z)), loss, Z)
    assert findings[0].fault == verdicts.FACTOR
    assert f"1/{len(Z)} of the right one, and {len(Z)} is the number of rows" in str(findings[0])


def test_a_doubled_hessian_is_a_factor() -> None:
    assert found(of_hessian=lambda z: 2 * hessian(z)) == [(verdicts.FACTOR, "Hessian")]


def test_a_hessian_of_softmax_twice_as_large_is_a_factor() -> None:
    def doubled(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = class_objective(z)
        return first, 2 * second

    (finding,) = check_objective(doubled, class_loss, SCORES)
    assert (finding.fault, finding.where) == (verdicts.FACTOR, "Hessian")
    assert check_objective(doubled, class_loss, SCORES, order=1) == []


def test_gradient_and_hessian_in_the_other_order_are_swapped() -> None:
    assert found(hessian, gradient) == [(verdicts.SWAPPED, "gradient, Hessian")]


def test_a_hessian_of_ones_is_a_wrong_value() -> None:
    assert found(of_hessian=np.ones_like) == [(verdicts.WRONG_VALUE, "Hessian")]


def test_weights_that_the_hessian_lacks_are_a_wrong_value() -> None:
    findings = check_objective(
        lambda z: (WEIGHT * gradient(z), hessian(z)), lambda z: WEIGHT * loss(z), Z
    )
    assert [(f.fault, f.where) for f in findings] == [(verdicts.WRONG_VALUE, "Hessian")]


def test_a_probability_in_place_of_a_raw_prediction_is_a_wrong_value() -> None:
    assert (verdicts.WRONG_VALUE, "gradient") in found(lambda z: z - Y)


def test_nan_is_named_with_its_row() -> None:
    with np.errstate(all="ignore"):
        findings = check_objective(
            lambda z: (gradient(z), np.where(z > 20, np.nan, hessian(z))), loss, Z
        )
    assert [(f.fault, f.element) for f in findings] == [(verdicts.NOT_FINITE, (62,))]


def test_a_gradient_of_one_column_is_a_wrong_shape() -> None:
    assert found(lambda z: gradient(z)[:, None]) == [(verdicts.WRONG_SHAPE, "gradient")]


def test_an_assertion_has_a_line_for_each_fault() -> None:
    with pytest.raises(AssertionError, match=r"^the objective is not right:\ngradient: wrong sign"):
        assert_objective(lambda z: (-gradient(z), hessian(z)), loss, Z)
    assert_objective(lambda z: (gradient(z), hessian(z)), loss, Z)


def test_a_loss_that_is_added_up_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"Expected the loss of each of 64 rows, \[64\], got \[\]"):
        check_objective(lambda z: (gradient(z), hessian(z)), lambda z: loss(z).sum(), Z)


def test_an_objective_of_one_array_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"^Expected an objective to \(gradient, Hessian\)"):
        check_objective(gradient, loss, Z)
