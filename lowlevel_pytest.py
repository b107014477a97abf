"""The plugin for pytest: a fixture that checks a gradient, wherever the package is installed.

Every test session imports this file, so it stands beside the package and imports nothing of it.
"""

from collections.abc import Callable

import pytest


@pytest.fixture(name="assert_gradient", scope="session")
def fixture_assert_gradient() -> Callable[..., None]:
    """The function `lowlevel.checks.assert_gradient`.

    A fault fails the test with a line for each; what cannot be told is among the warnings.
    """
    from lowlevel.checks import assert_gradient

    return assert_gradient
