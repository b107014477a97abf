"""The documentation: what it shows runs, and prints what it says."""

import contextlib
import inspect
import io
import pathlib
import re
from typing import Any

import pytest

from lowlevel.checks import verdicts

DOCS = pathlib.Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["checking.md"])
def test_the_code_of_a_page_runs_and_prints_what_is_shown(name: str) -> None:
    blocks = re.findall(r"```(python|text)\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    assert {language for language, _ in blocks} == {"python", "text"}
    shared: dict[str, Any] = {}
    printed = ""  # And not shown yet.
    for language, block in blocks:
        if language == "text":
            assert printed == block
            printed = ""
            continue
        assert not printed
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(block, name, "exec"), shared)
        printed = output.getvalue()
    assert not printed
    tests = [value for key, value in shared.items() if key.startswith("test_")]
    assert tests
    for test in tests:
        # A fixture is the function of its name.
        test(*(shared[fixture] for fixture in inspect.signature(test).parameters))


def test_the_page_of_the_check_explains_every_finding() -> None:
    explained = re.findall(r"^\| (`.*?`) \|", (DOCS / "checking.md").read_text(), re.MULTILINE)
    names = set(re.findall(r"`(.*?)`", ", ".join(explained)))
    findings = {value for key, value in vars(verdicts).items() if key.isupper()}
    assert len(findings) > 20
    assert findings <= names
