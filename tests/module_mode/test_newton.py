"""Newton's method: where it ends, by SciPy; what a pass is; what is refused, and why."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize
from sklearn.datasets import load_breast_cancer

from lowlevel import experiment
from lowlevel.config import DTYPES, Config
from lowlevel.data import Table
from lowlevel.experiment.settling import check_newton
from lowlevel.likelihoods import LIKELIHOODS, Likelihood, Logit
from lowlevel.module_mode import newton, training
from lowlevel.progress import Epoch, Progress, State
from tests import wings

TABLE = wings.small_table(rows=60, weighted=True)
NEWTON: dict[str, Any] = {"optimizer": "newton", "hidden_units": (), "epochs": 25}


def train(table: Table, **settings: Any) -> experiment.Run:
    """A run by Newton's method."""
    return wings.train("module", table, **{**NEWTON, **settings})


def coefficients(run: experiment.Run) -> np.ndarray:
    """Kernel and bias, in one, on the model's own scale."""
    return np.append(run.weights["logistic/kernel"][:, 0], run.weights["logistic/bias"])


def gradient(table: Table, likelihood: Likelihood, point: np.ndarray) -> np.ndarray:
    """Of the mean NLL in a kernel and a bias, by NumPy but for the slope."""
    x = np.hstack([table.features, np.ones((table.rows, 1))])
    slope = likelihood.slope(tf.constant(x @ point), tf.constant(table.labels)).numpy()
    weight = 1.0 if table.sample_weight is None else table.sample_weight
    return x.T @ (weight * slope) / table.rows


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_it_ends_where_scipy_does(likelihood: str, l2: float) -> None:
    x, y = tf.constant(TABLE.features), tf.constant(TABLE.labels)

    def objective(point: np.ndarray) -> float:
        nll = LIKELIHOODS[likelihood].nll(tf.linalg.matvec(x, point[:-1]) + point[-1], y).numpy()
        # l2 goes through float32, as in the loop.
        return float(np.mean(TABLE.sample_weight * nll) + np.float32(l2) * point[:-1] @ point[:-1])

    def slope(point: np.ndarray) -> np.ndarray:
        pull = 2 * float(np.float32(l2)) * np.append(point[:-1], 0)
        return gradient(TABLE, LIKELIHOODS[likelihood], point) + pull

    expected = optimize.minimize(objective, np.zeros(4), jac=slope, method="BFGS", tol=1e-10).x
    run = train(TABLE, likelihood=likelihood, l2=l2)
    # The gradient of either is 1e-8 or less, and the curvature 0.02 or more.
    np.testing.assert_allclose(coefficients(run), expected, atol=1e-6)
    assert abs(slope(coefficients(run))).max() < 1e-8


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("standardize", [False, True])
def test_ordinary_tables_take_a_dozen_passes_at_most(
    likelihood: str, standardize: bool, credit: Callable[[str], Table]
) -> None:
    cancer = load_breast_cancer()
    tables = [credit("float64"), Table(cancer.data[:, :5], cancer.target)]
    for table in tables:
        run = train(table, likelihood=likelihood, standardize=standardize)
        assert len(run.history) <= 12
        mean, deviation = table.features.mean(0), table.features.std(0)
        scaled = Table((table.features - mean) / deviation, table.labels)
        kernel, bias = run.weights["logistic/kernel"][:, 0], run.weights["logistic/bias"]
        if not standardize:
            kernel, bias = kernel * deviation, bias + kernel @ mean
        found = gradient(scaled, LIKELIHOODS[likelihood], np.append(kernel, bias))
        assert abs(found).max() < 1.01e-8


def test_an_epoch_is_a_pass_and_the_loss_that_of_the_weights_after_it() -> None:
    seen: list[tuple[int, float, float]] = []

    def observe(epochs: Sequence[Epoch], state: State) -> None:
        x, y, share = wings.arguments(TABLE)
        loss = float(state.model.loss_fn(x, y, share))
        seen.append((state.epoch, epochs[-1].nll, loss))

    run = wings.train("module", TABLE, [observe], **NEWTON)
    assert [epoch for epoch, _, _ in seen] == [e.epoch for e in run.history]
    assert 3 < len(seen) < NEWTON["epochs"]
    for _, recorded, loss in seen:
        assert recorded == pytest.approx(loss, rel=1e-12)
    losses = [recorded for _, recorded, _ in seen]
    # At the maximum there is nothing left to gain but rounding.
    assert all(after <= before + 1e-13 for before, after in itertools.pairwise(losses))
    # It starts with what the labels alone say.
    assert losses[0] == pytest.approx(run.base_rate_nll, rel=1e-5)
    assert losses[-1] == run.history[-1].nll == pytest.approx(run.metrics["nll"], rel=1e-12)


def test_the_last_pass_is_reported_however_seldom_there_are_reports() -> None:
    seen: list[list[int]] = []
    run = wings.train(
        "module",
        TABLE,
        [lambda epochs, state: seen.append([epoch.epoch for epoch in epochs])],
        **NEWTON,
        report_every=3,
    )
    last = len(run.history)
    assert last % 3 and seen[-1][-1] == last and seen[0] == [1, 2, 3]


def test_too_few_epochs_are_refused_and_the_run_goes_on_to_the_same_bits() -> None:
    start = training.start(Config(**NEWTON), Logit(), TABLE)
    with pytest.raises(ValueError, match=r"epochs: .* got 3, which leave it at .*: set more"):
        training.train(start, short := Config(**{**NEWTON, "epochs": 3}), TABLE, Progress(short))
    assert start.epoch == 3
    training.train(start, Config(**NEWTON), TABLE, Progress(Config(**NEWTON)))
    wings.assert_same_bits(wings.named("module", start.model), train(TABLE).weights)


def test_a_pass_after_the_last_changes_nothing() -> None:
    run = train(TABLE)
    progress = Progress(Config(**NEWTON))
    training.train(run.state, Config(**NEWTON), TABLE, progress)
    assert len(progress.history) == 1
    wings.assert_same_bits(wings.named("module", run.model), run.weights)


@pytest.mark.parametrize("standardize", [False, True])
def test_the_penalty_is_the_models_own_to_its_last_digits(standardize: bool) -> None:
    """0.1 is another number in float32, through which the model takes it."""
    run = train(TABLE, l2=0.1, standardize=standardize)
    problem = newton.make_problem(run.model, False, TABLE)
    penalty = problem.pull @ run.state.optimizer.point.numpy() ** 2
    assert penalty == pytest.approx(float(sum(run.model.losses)), rel=1e-12)


def test_sample_weights_count_as_repeated_rows_do() -> None:
    weight = np.tile([0.0, 1.0, 2.0], 20)
    repeated = np.repeat(np.arange(60), weight.astype(int))
    weighted = Table(TABLE.features, TABLE.labels, weight)
    found = coefficients(train(weighted))
    expected = train(Table(TABLE.features[repeated], TABLE.labels[repeated]))
    np.testing.assert_allclose(found, coefficients(expected), rtol=1e-6)


@pytest.mark.parametrize("standardize", [False, True])
def test_float32_rounds_the_weights_and_nothing_else(
    standardize: bool, credit: Callable[[str], Table]
) -> None:
    # The table holds whole numbers, which float32 has.
    narrow, wide = (train(credit(dtype), standardize=standardize) for dtype in DTYPES)
    tolerance = 4 * np.finfo(np.float32).eps
    for name, values in narrow.weights.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wide.weights[name], rtol=tolerance, atol=1e-8)


def test_xla_comes_to_the_same_maximum() -> None:
    found, expected = (coefficients(train(TABLE, jit_compile=jit)) for jit in (True, False))
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def long_table(by_label: bool) -> Table:
    """Rows in many blocks, by chance or all of one label first."""
    table = wings.small_table(rows=2000)
    return table.rows_at(np.argsort(table.labels, kind="stable")) if by_label else table


@pytest.mark.parametrize("by_label", [False, True])
def test_a_long_table_begins_at_the_first_blocks_maximum_if_there_is_one(
    by_label: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(long_table(by_label))
    monkeypatch.setattr("lowlevel.data.table.BLOCK_ROWS", 200)
    monkeypatch.setattr(newton, "BLOCK_ROWS", 200)
    found = train(long_table(by_label))
    np.testing.assert_allclose(coefficients(found), coefficients(expected), rtol=1e-7)
    saved = len(expected.history) - len(found.history)
    assert saved == 0 if by_label else saved >= 1


class Cauchy(wings.Poisson):
    """Numbers with errors that may be huge: the loss bends the other way far out."""

    label_range = (-math.inf, math.inf)

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.math.log1p(tf.square(y - z))

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return z


# The first one's loss grows so fast that the first steps go too far.
@pytest.mark.parametrize("likelihood", [wings.Poisson(), Cauchy()])
def test_a_likelihood_of_ones_own_comes_to_a_maximum(likelihood: Likelihood) -> None:
    random = np.random.default_rng(0)
    z = 4 * TABLE.features @ [1.0, -1.0, 0.5]
    counts = isinstance(likelihood, wings.Poisson) and not isinstance(likelihood, Cauchy)
    labels = random.poisson(np.exp(z)) if counts else z + random.standard_cauchy(60)
    table = Table(TABLE.features, labels)
    run = train(table, likelihood=likelihood, epochs=60)
    assert abs(gradient(table, likelihood, coefficients(run))).max() < 1e-7 * max(1, labels.max())
    # Not every step is taken whole: a loss is recorded anew where one was refused.
    losses = [epoch.nll for epoch in run.history]
    assert all(
        after <= before + 1e-12 * abs(before) for before, after in itertools.pairwise(losses)
    )
    if counts:
        assert run.weights["logistic/kernel"][:, 0] == pytest.approx([4, -4, 2], abs=0.2)


def objective(value: float, slope: float = 1.0) -> newton.Objective:
    """An objective of one coefficient whose curvature is 1."""
    spectrum = newton.make_spectrum(np.ones([1, 1])) if math.isfinite(value) else None
    return newton.Objective(value, value, np.array([slope]), spectrum)


def test_a_step_that_raises_the_loss_is_halved_until_it_does_not() -> None:
    optimizer = newton.Newton(1)
    optimizer.update(objective(1.0))
    for worse, candidate in ((1.5, -1.0), (math.nan, -0.5), (math.inf, -0.25)):
        assert optimizer.candidate == candidate
        assert not optimizer.update(objective(worse))
        assert optimizer.point.numpy() == 0.0 and float(optimizer.nll) == 1.0
    optimizer.update(objective(0.9, slope=0.5))
    assert optimizer.point.numpy() == -0.125 and optimizer.candidate == -0.625


def test_a_start_without_a_finite_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"newton: expected a finite loss, .* got a mean of nan"):
        newton.Newton(1).update(objective(math.nan))


def separable(features: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a combination of columns separates the labels, by linear programming."""
    rows = np.column_stack([features, np.ones(len(features))]) * np.where(labels, 1, -1)[:, None]
    found = optimize.linprog(-rows.sum(0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    return bool(-found.fun > 1e-9)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_table_is_refused_just_where_linear_programming_separates_it(likelihood: str) -> None:
    """Normal numbers, whole numbers of many ties, and dummies, which separate in part."""
    random, verdicts = np.random.default_rng(1), []
    for number in range(24):
        rows = int(random.integers(15, 50))
        features = random.normal(size=(rows, 3))
        if number % 3:
            features[:, 1:] = random.integers(0, 2 + number % 3, (rows, 2))
        labels = features @ random.normal(size=3) * 2 + random.logistic(size=rows) > 1
        verdicts.append(separable(features, labels))
        try:
            train(Table(features, labels), likelihood=likelihood)
        except ValueError as error:
            assert verdicts[-1] and ("separate" in str(error) or "at one end" in str(error))
        else:
            assert not verdicts[-1]
    assert 4 < sum(verdicts) < 20


X = np.random.default_rng(0).normal(size=(50, 3))
LABELS = X[:, 0] + np.random.default_rng(1).logistic(size=50) > 0
NAMES = ("age", "debt", "rate")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table(X, X[:, 1] > 0.2, names=NAMES), "do not separate the labels, got column debt,"),
        (Table(X @ [[1, 0, 1], [0, 1, 1], [0, 0, 0]], LABELS, names=NAMES), "got column rate, .*"),
        (Table(X[:3], LABELS[:3]), "at least as many rows as coefficients, 4 with the intercept"),
        (Table(X, np.ones(50)), "labels: .* all at one end of their range"),
    ],
)
def test_a_table_without_one_maximum_is_refused_unless_a_penalty_makes_one(
    table: Table, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(table)
    if len(set(table.labels)) > 1:
        train(table, l2=0.01)
    else:
        # There is none on the intercept.
        with pytest.raises(ValueError, match=message):
            train(table, l2=0.01)


class TwoPredictors(wings.Poisson):
    predictors = 2

    def nll(self, z: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return super().nll(tf.reduce_sum(z, -1), y)

    def mean(self, z: tf.Tensor) -> tf.Tensor:
        return super().mean(tf.reduce_sum(z, -1))


@pytest.mark.parametrize(
    ("mode", "settings", "message"),
    [
        ("module", {"hidden_units": (4, 2)}, "hidden_units: expected none with .* got 4,2"),
        ("module", {"likelihood": TwoPredictors()}, "likelihood: expected one of one predictor"),
        ("keras", {}, "optimizer: expected one of sgd, momentum, adam in keras mode, got newton"),
    ],
)
def test_what_it_is_not_for_is_refused_before_training(
    mode: str, settings: dict[str, Any], message: str
) -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match=message):
        wings.train(mode, TABLE, [lambda *given: seen.append(1)], **{**NEWTON, **settings})
    assert not seen


def test_comparing_is_refused_before_module_mode_has_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "train", None)
    with pytest.raises(ValueError, match=r"which both modes have, got newton: use it in module"):
        experiment.compare(Config(**NEWTON), TABLE)


def test_columns_whose_square_does_not_fit_into_memory_are_refused() -> None:
    with pytest.raises(ValueError, match=r"columns whose square fits into .* got 10000000 columns"):
        check_newton(Config(**NEWTON), 10**7, 1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode=keras", "--hidden_units="], "optimizer: expected one of sgd, momentum, adam in"),
        (["--mode=compare", "--hidden_units="], "optimizer: expected one of sgd, momentum, adam,"),
        ([], "hidden_units: expected none with optimizer newton, in module mode, got 4"),
        (["--hidden_units=", "--epochs=2"], "epochs: expected enough passes for newton"),
    ],
)
def test_the_program_refuses_in_one_line(
    flags: list[str], message: str, main_in_process: Callable
) -> None:
    finished = main_in_process("--optimizer=newton", *flags)
    assert finished.returncode == 1
    assert message in finished.stderr and finished.stderr.count("\n") == 1
