"""The check of a likelihood: its formulas, and its gradient in both modes, against exact ones."""

from lowlevel.checks.formulas import formula_rows
from lowlevel.checks.mistakes import mistake_rows
from lowlevel.checks.network import network_rows
from lowlevel.checks.rows import Row
from lowlevel.checks.sampled import sampled_rows
from lowlevel.likelihoods import Likelihood
from lowlevel.likelihoods.loading import load

__all__ = ["Row", "check_likelihood"]


def check_likelihood(
    given: str | Likelihood, dtype: str = "float32", jit_compile: bool = False, seed: int = 0
) -> list[Row]:
    """Checks a likelihood, and the gradients that both modes make of it.

    Args:
        given: a name, FILE.py:NAME or a Likelihood.
        dtype: of all that is checked, "float32" or "float64".
        jit_compile: whether XLA compiles it. Formulas run eager, then compiled; networks compiled,
            as in training.
        seed: of the sampled logits, and of the networks' weights and rows.

    Returns:
        A row for each quantity and label, one for each quantity at a hundred thousand random
        logits over the whole range of the dtype, one for each parameter of Dense(4) -> Logistic
        in each mode, and two that show what mistakes look like. All is well if every row agrees.

    Raises:
        ValueError: the likelihood cannot be used, has more predictors than one, or mpmath is not
            installed.
    """
    likelihood = load(given)
    if likelihood.predictors > 1:
        raise ValueError(
            f"The check looks at likelihoods of one predictor only, got {likelihood.predictors} "
            f"of {given if isinstance(given, str) else type(given).__name__}: give one of 1, or "
            "hold its gradient to lowlevel.checks.gradient.check"
        )
    return [
        *formula_rows(likelihood, dtype, jit_compile),
        *sampled_rows(likelihood, dtype, jit_compile, seed),
        *network_rows("module", likelihood, dtype, jit_compile, seed),
        *network_rows("keras", likelihood, dtype, jit_compile, seed),
        *mistake_rows(likelihood, dtype, jit_compile, seed),
    ]
