"""Newton's method by hand: what `fit`, which sees one batch at a time, cannot do.

The sums of the loss, of its gradient and of its second derivatives over all rows come of one pass
over the table, which counts as an epoch; see `regression/totals.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lowlevel.config import Config, DistributionSettings
from lowlevel.data import Rows
from lowlevel.data.columns import BLOCK_ROWS
from lowlevel.data.summaries import mean_label
from lowlevel.distribution.sums import shards_of
from lowlevel.likelihoods import Likelihood
from lowlevel.module_mode.model import CustomModel
from lowlevel.module_mode.passes import Share, make_share
from lowlevel.progress import Progress, State
from lowlevel.regression import design as designs
from lowlevel.regression.design import Block, Design, Scaling
from lowlevel.regression.obstacles import check_collinear, check_rows, check_separated
from lowlevel.regression.spectrum import Spectrum, make_spectrum
from lowlevel.regression.totals import total

# Of the mean NLL and the penalty, in columns of mean 0 and deviation 1: the largest number of the
# gradient at the maximum.
LARGEST_GRADIENT = 1e-8
# Of the step that would come next, beside the largest coefficient or 1: the gradient alone is as
# small where a likelihood has no maximum, far out.
LARGEST_STEP = 1e-6
# Of an objective, relative: a step that raises it by no more has not raised it.
ROUNDING = 1e-13
# A table that has a maximum has mostly come to it by then.
PATIENCE, MANY = 6, 25
MOST_PASSES_AHEAD = 10
# Of the intercepts among which the first one is looked for.
MOST_INTERCEPT, INTERCEPTS = 32.0, 2**14 + 1
# Nobody shares the rows, and there is one shard.
ALONE = DistributionSettings()


class Objective(NamedTuple):
    """The mean NLL and the penalty at some coefficients.

    Attributes:
        nll: the mean NLL alone.
        value: the sum of both.
        gradient: of the sum, `[coefficients]`.
        spectrum: of its matrix of second derivatives; None where a number is not finite.
    """

    nll: float
    value: float
    gradient: np.ndarray
    spectrum: Spectrum | None


class Problem(NamedTuple):
    """What is to be minimized.

    Attributes:
        design: the rows.
        likelihood: of their labels.
        pull: by coefficient, what its square is multiplied by in the penalty, `[coefficients]`.
        jit_compile: whether XLA compiles the sums.
        share: what of the rows this process sums over.
    """

    design: Design
    likelihood: Likelihood
    pull: np.ndarray
    jit_compile: bool
    share: Share

    def at(self, point: np.ndarray, block: Block | None = None) -> Objective:
        """Returns the objective of one block, or of all rows, in one pass over them."""
        if block is None:
            rows = self.design.rows
            sums = self.share.total(self.likelihood, point, self.jit_compile)
        else:
            rows = block.y.shape[0]
            sums = total(self.likelihood, (block,), point, self.jit_compile)
        nll, gradient, information = sums.nll / rows, sums.gradient / rows, sums.information / rows
        value = nll + float(self.pull @ point**2)
        gradient = gradient + 2 * self.pull * point
        information = information + 2 * np.diag(self.pull)
        finite = np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(information)
        spectrum = make_spectrum(information) if np.all(finite) else None
        return Objective(nll, value, gradient, spectrum)

    def check(self, spectrum: Spectrum, directions: Sequence[np.ndarray]) -> None:
        """Raises ValueError where there is no maximum, or more than one; see `obstacles`."""
        penalized = self.pull > 0
        if not penalized.any():
            check_collinear(self.design, spectrum)
        for direction in directions:
            check_separated(self.design, self.likelihood, np.where(penalized, 0.0, direction))


class Newton(tf.Module):
    """Newton's method: b <- b - H^-1 g, the step halved for as long as it raises the objective."""

    def __init__(self, coefficients: int) -> None:
        """Keeps, in float64, the coefficients, the step that is to be tried, and their loss."""
        super().__init__()
        zeros = tf.zeros([coefficients], tf.float64)
        self.point = tf.Variable(zeros, trainable=False, name="point")
        self.step = tf.Variable(zeros, trainable=False, name="step")
        infinity = tf.constant(np.inf, tf.float64)
        # Infinite before the first pass.
        self.value = tf.Variable(infinity, trainable=False, name="value")
        self.nll = tf.Variable(infinity, trainable=False, name="nll")

    def kept(self, names: Sequence[str]) -> dict[str, tf.Variable]:
        """Returns what goes from one pass to the next, by name."""
        kept = (self.point, self.step, self.value, self.nll)
        return {f"newton/{variable.name.split(':')[0]}": variable for variable in kept}

    @property
    def started(self) -> bool:
        """Whether there has been a pass."""
        return bool(np.isfinite(self.value.numpy()))

    @property
    def candidate(self) -> np.ndarray:
        """The coefficients that the next pass is to look at, `[coefficients]`."""
        return self.point.numpy() + self.step.numpy()

    def update(self, found: Objective) -> bool:
        """Goes to the candidate, or halves the step to it; returns whether that is the end.

        Args:
            found: what the pass found at the candidate.

        Raises:
            ValueError: there is nothing to go back to.
        """
        most = self.value.numpy() + ROUNDING * abs(self.value.numpy())
        if found.spectrum is None or not found.value <= most:
            if not self.started:
                raise ValueError(
                    "newton: expected a finite loss, slope and curvature where it starts, got "
                    f"a mean of {found.nll}: see what mode=check says of the likelihood"
                )
            self.step.assign(self.step / 2)
            return False
        point, step = self.candidate, -found.spectrum.solve(found.gradient)
        ended = (
            found.spectrum.positive
            and np.abs(found.gradient).max() <= LARGEST_GRADIENT
            and np.abs(step).max() <= LARGEST_STEP * max(1.0, np.abs(point).max())
        )
        self.point.assign(point)
        self.step.assign(np.zeros_like(step) if ended else step)
        self.value.assign(found.value)
        self.nll.assign(found.nll)
        return bool(ended)


def start(model: CustomModel, table: Rows) -> State:
    """Returns the state before the first pass: no slopes, and the labels' mean for every row."""
    logistic = model.logistic
    logistic.kernel.assign(tf.zeros_like(logistic.kernel))
    intercept = base_rate_intercept(logistic.likelihood, table)
    logistic.bias.assign(tf.fill(logistic.bias.shape, tf.cast(intercept, logistic.bias.dtype)))
    return State(model, Newton(table.width + 1))


def base_rate_intercept(likelihood: Likelihood, table: Rows) -> float:
    """Returns the z at which the label expected is about the labels' mean."""
    z = np.linspace(-MOST_INTERCEPT, MOST_INTERCEPT, INTERCEPTS)
    distance = np.abs(likelihood.mean(tf.constant(z)).numpy() - mean_label(table))
    return float(z[np.argmin(np.where(np.isfinite(distance), distance, np.inf))])


def train(state: State, config: Config, table: Rows, progress: Progress) -> None:
    """Trains on a table from a state to the maximum, in the config's epochs at most.

    After each pass the model holds the best coefficients that a pass has seen, and the loss
    recorded is theirs.

    Raises:
        ValueError: there is no maximum, or more than one; the epochs are too few to get there.
    """
    if state.epoch >= config.epochs:
        return
    problem = make_problem(state.model, config.jit_compile, table, config)
    optimizer = state.optimizer
    if not optimizer.started:
        optimizer.point.assign(first_point(problem, state.model))
    for number in range(state.epoch + 1, config.epochs + 1):
        found = problem.at(optimizer.candidate)
        ended = optimizer.update(found)
        late = number >= PATIENCE or number == config.epochs
        if found.spectrum:
            ways = [optimizer.step.numpy(), optimizer.point.numpy()] if late and not ended else []
            problem.check(found.spectrum, ways)
        set_weights(state.model, problem.design.scaling.to_original(optimizer.point.numpy()))
        progress.add([float(optimizer.nll.numpy())], state, last=ended)
        if progress.stopped:
            return
    advice = (
        f"set more, {MANY} say"
        if config.epochs < MANY
        else "look for values far off the others in a column, or set l2"
    )
    raise ValueError(
        f"epochs: expected enough passes for newton to come to a gradient of {LARGEST_GRADIENT:g}, "
        f"got {config.epochs}, which leave it at {np.abs(found.gradient).max():.1g}: {advice}"
    )


def make_problem(
    model: CustomModel, jit_compile: bool, table: Rows, settings: DistributionSettings = ALONE
) -> Problem:
    """Returns what is to be minimized for a model.

    Args:
        model: of one predictor, without hidden layers.
        jit_compile: whether XLA compiles the sums.
        table: all rows, whichever this process sums over.
        settings: who shares the passes over the rows, in what shards.

    Raises:
        ValueError: there are fewer rows than coefficients, and no penalty.
    """
    layer = scaling_of(model)
    standardized = model.nn_block is not None
    scaling = layer if standardized else designs.of_first_block(table)
    shards = shards_of(settings)
    # A worker sums over a part of the rows, and looks at all of them where it suspects something.
    design = designs.make_design(table, scaling, table.names, copied=not shards.among_workers)
    logistic = model.logistic
    # As the loop has it, which takes it through its own dtype.
    l2 = float(tf.cast(logistic.l2, logistic.kernel.dtype))
    pull = np.append(l2 * (layer.scale / design.scaling.scale) ** 2, 0.0)
    if not l2:
        check_rows(design)
    share = make_share(shards, design, table)
    return Problem(design, logistic.likelihood, pull, jit_compile, share)


def first_point(problem: Problem, model: CustomModel) -> np.ndarray:
    """Returns where to start: at the model's weights, or where they lead to on the first block.

    In a long table its maximum is near that of all rows, and costs next to nothing; where the rows
    are in some order and it has none, nothing is lost.
    """
    logistic = model.logistic
    weights = np.append(logistic.kernel.numpy()[:, 0], logistic.bias.numpy()).astype(np.float64)
    point = problem.design.scaling.from_original(scaling_of(model).to_original(weights))
    if problem.design.rows > BLOCK_ROWS:
        first = next(iter(problem.design.blocks))
        ahead = Newton(len(point))
        ahead.point.assign(point)
        for _ in range(MOST_PASSES_AHEAD):
            if ahead.update(problem.at(ahead.candidate, first)):
                return ahead.point.numpy()
    return point


def scaling_of(model: CustomModel) -> Scaling:
    """Returns what the model itself does to its columns."""
    if model.nn_block is None:
        return designs.as_they_are(model.logistic.kernel.shape[0])
    (layer,) = model.nn_block.layers
    return designs.of_layer(layer.mean.numpy(), layer.deviation.numpy())


def set_weights(model: CustomModel, coefficients: np.ndarray) -> None:
    """Sets the model's weights by the coefficients of the columns as they are in the table."""
    *kernel, bias = scaling_of(model).from_original(coefficients)
    logistic = model.logistic
    logistic.kernel.assign(tf.cast(tf.constant(kernel)[:, tf.newaxis], logistic.kernel.dtype))
    logistic.bias.assign(tf.cast(tf.constant([bias]), logistic.bias.dtype))
