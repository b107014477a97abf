"""The documentation: what it shows runs, and prints what it says."""

import contextlib
import io
import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["checking.md"])
def test_the_code_of_a_page_runs_and_prints_what_is_shown(name: str) -> None:
    blocks = re.findall(r"```(python|text)\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    shared: dict[str, object] = {}
    printed = ""
    for language, block in blocks:
        if language == "text":
            assert printed == block
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(block, name, "exec"), shared)
        printed = output.getvalue()
    for test in [value for key, value in shared.items() if key.startswith("test_")]:
        assert callable(test)
        test()
