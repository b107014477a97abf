"""The optimizers: SGD, Momentum and Adam as tf.Modules; each update is Keras's of the same name."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from lowlevel.config import TrainingSettings


class Optimizer(tf.Module):
    """What the optimizers share: a list of variables, and a gradient for each of them."""

    def __init__(self, variables: Sequence[tf.Variable], learning_rate: float) -> None:
        """Keeps the variables, all of one dtype, and the size of a step."""
        super().__init__()
        self.trained = tuple(variables)
        self.learning_rate = tf.constant(learning_rate, self.trained[0].dtype)

    def slots(self, name: str) -> tuple[tf.Variable, ...]:
        """Returns a variable of zeros for each trained one."""
        return tuple(
            tf.Variable(tf.zeros_like(variable), trainable=False, name=name)
            for variable in self.trained
        )

    def kept(self, names: Sequence[str]) -> dict[str, tf.Variable]:
        """Returns what goes from one step to the next, by name.

        Args:
            names: of the trained variables.
        """
        return {}

    def apply(self, gradients: Sequence[tf.Tensor | None]) -> None:
        """Updates the variables by one step.

        Args:
            gradients: one for each variable, in the variables' order and of their shapes.

        Raises:
            ValueError: see `check`.
        """
        self.check(gradients)
        self.update(gradients)

    def check(self, gradients: Sequence[tf.Tensor | None]) -> None:
        """Raises ValueError for what is no gradient of the variables.

        That is one that is None, or has another shape than its variable, which some updates would
        broadcast without a word.
        """
        for variable, gradient in zip(self.trained, gradients, strict=True):
            if gradient is None or gradient.shape != variable.shape:
                given = "None" if gradient is None else f"one of shape {gradient.shape}"
                raise ValueError(
                    f"Expected a gradient of shape {variable.shape} for {variable.name}, got "
                    f"{given}: see that the loss depends on it, and that its custom gradient "
                    "covers it"
                )

    def update(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates the variables by gradients known to be sound."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent: w <- w - rate g."""

    def update(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates the variables by one step."""
        for variable, gradient in zip(self.trained, gradients, strict=True):
            variable.assign_sub(gradient * self.learning_rate)


class Momentum(Optimizer):
    """SGD with momentum: m <- momentum m - rate g; w <- w + m.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning",
    ICML 2013, equations 1 and 2.
    """

    def __init__(
        self, variables: Sequence[tf.Variable], learning_rate: float, momentum: float = 0.9
    ) -> None:
        """Keeps the share of the last step that goes into the next, from 0 to 1."""
        super().__init__(variables, learning_rate)
        self.momentum = tf.cast(momentum, self.learning_rate.dtype)
        self.steps = self.slots("momentum")

    def kept(self, names: Sequence[str]) -> dict[str, tf.Variable]:
        """Returns the last step of each."""
        return by_name("momentum", names, self.steps)

    def update(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates the variables by one step."""
        for variable, step, gradient in zip(self.trained, self.steps, gradients, strict=True):
            step.assign(step * self.momentum - gradient * self.learning_rate)
            variable.assign_add(step)


class Adam(Optimizer):
    """Adam: steps scaled by running moments of the gradient.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015: algorithm 1 in
    the order of computation given before its section 2.1, where epsilon is added to the square
    root of the uncorrected second moment.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        learning_rate: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        """Keeps the decay of the two moments, from 0 to 1, and what keeps a divisor from 0."""
        super().__init__(variables, learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.iterations = tf.Variable(0, trainable=False, dtype=tf.int64, name="iterations")
        self.momentums = self.slots("momentum")
        self.velocities = self.slots("velocity")

    def kept(self, names: Sequence[str]) -> dict[str, tf.Variable]:
        """Returns how many steps there were, and the moments of each."""
        return {
            "iterations": self.iterations,
            **by_name("momentum", names, self.momentums),
            **by_name("velocity", names, self.velocities),
        }

    def update(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates the variables by one step."""
        dtype = self.learning_rate.dtype
        step = tf.cast(self.iterations.assign_add(1), dtype)
        # Both moments start at 0; this takes out the bias that that leaves in them.
        rate = (
            self.learning_rate
            * tf.sqrt(1 - tf.pow(tf.cast(self.beta_2, dtype), step))
            / (1 - tf.pow(tf.cast(self.beta_1, dtype), step))
        )
        for variable, momentum, velocity, gradient in zip(
            self.trained, self.momentums, self.velocities, gradients, strict=True
        ):
            momentum.assign_add((gradient - momentum) * (1 - self.beta_1))
            velocity.assign_add((tf.square(gradient) - velocity) * (1 - self.beta_2))
            variable.assign_sub(momentum * rate / (tf.sqrt(velocity) + self.epsilon))


def by_name(
    kind: str, names: Sequence[str], variables: Sequence[tf.Variable]
) -> dict[str, tf.Variable]:
    """Returns one kind of variables by the names of those that they belong to."""
    return {f"{kind}/{name}": variable for name, variable in zip(names, variables, strict=True)}


OPTIMIZERS: dict[str, Callable[[TrainingSettings, Sequence[tf.Variable]], Optimizer]] = {
    "sgd": lambda settings, variables: SGD(variables, settings.learning_rate),
    "momentum": lambda settings, variables: Momentum(variables, settings.learning_rate),
    "adam": lambda settings, variables: Adam(variables, settings.learning_rate),
}


def make_optimizer(settings: TrainingSettings, variables: Sequence[tf.Variable]) -> Optimizer:
    """Returns the optimizer that a run asks for, over the variables that it is to train."""
    return OPTIMIZERS[settings.optimizer](settings, variables)
