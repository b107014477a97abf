"""The check, on every planted fault and every sound function."""

import pytest

from lowlevel.checks import check
from tests.checks.planted import FAULTS, Case
from tests.checks.sound import SOUND


def faults(case: Case) -> set[str]:
    """The faults that are found, by name."""
    function, arguments = case.make()
    return {
        finding.fault for finding in check(function, arguments, **case.options) if finding.is_fault
    }


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_named(case: Case) -> None:
    assert faults(case) == {case.fault}


@pytest.mark.parametrize("case", SOUND.values(), ids=SOUND)
def test_no_fault_is_named_of_a_sound_function(case: Case) -> None:
    assert faults(case) == set()
