"""The pages of a run and of a comparison, parsed: what is in them, and what is not."""

import dataclasses
import functools
import inspect
import json
import pathlib
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from lowlevel import experiment
from lowlevel.config import Config
from lowlevel.data.settings import DataSettings
from lowlevel.experiment.tables import Tables, read_tables
from lowlevel.judging.rows import sorted_rows
from lowlevel.report import drawing, one_run, plots, two_runs
from lowlevel.report.holdout import HoldoutLosses
from lowlevel.storage.contents import PICTURES, REPORT
from lowlevel.storage.run_folder import Results
from tests import wings
from tests.report.pages import Page

CONFIG = Config(hidden_units=(), standardize=True, epochs=6, report_every=2, learning_rate=0.05)


def tables(config: Config = CONFIG, rows: int = 200, **settings: Any) -> Tables:
    """Rows of three columns, some of them held out."""
    table = wings.small_table(rows, "float32")
    columns = {f"x_{i}": column for i, column in enumerate(table.features.T)}
    columns["y"] = table.labels
    return read_tables(columns, config, label="y", **{"holdout": 0.4, **settings})


def run_files(mode: str = "module", config: Config = CONFIG, **settings: Any) -> dict[str, bytes]:
    """The files of a run's report."""
    found = tables(config, **settings)
    held = HoldoutLosses(found.test)
    run = experiment.train(mode, config, found.train, held, found.test)
    results = Results(run.config, run.history, {"training": run.metrics}, run.weights)
    return one_run.files(mode, run, found, results, DataSettings(), held)


@pytest.fixture(scope="module", autouse=True)
def checked_once() -> Iterator[None]:
    """Has the check of one likelihood take its time once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_runs, "check_likelihood", functools.cache(two_runs.check_likelihood))
        yield


@pytest.fixture(scope="module")
def compared(checked_once: None) -> tuple[experiment.Comparison, dict[str, bytes]]:
    """A comparison that all tests look at."""
    return compare(CONFIG)


def compare(config: Config) -> tuple[experiment.Comparison, dict[str, bytes]]:
    """A comparison, and the files of its report."""
    found = tables(config)
    result = experiment.compare(config, found.train)
    return result, two_runs.files(result, found, DataSettings(), "the verdict")


def code_of(page: Page, side: int) -> list[list[str]]:
    """The code of each box of a page, in one of its two columns, line by line."""
    boxes: list[list[str]] = []
    for element in page.elements:
        if "heads" in element.classes:
            boxes.append([])
        elif element.tag == "div" and "hunk" in element.classes:
            column = 0
        elif element.tag == "pre":
            if column == side:
                boxes[-1] += "".join(element.text).splitlines()
            column += 1
    return boxes


@pytest.mark.parametrize("side", [0, 1])
def test_the_code_side_by_side_is_the_code_that_ran(side: int, compared: tuple) -> None:
    result, files = compared
    model = type(result.runs[("module", "keras")[side]].model)
    shown = code_of(Page(files[REPORT]), side)
    for lines, name in zip(shown, ("loss_fn", "train_step"), strict=True):
        source = inspect.getsource(getattr(model, name))
        assert lines == textwrap.dedent(source).splitlines()


def test_a_line_is_marked_if_and_only_if_the_other_side_does_not_have_it_there(
    compared: tuple,
) -> None:
    page = Page(compared[1][REPORT])
    hunks = [element for element in page.all("div", "hunk") if "heads" not in element.classes]
    pres = page.all("pre")
    assert len(pres) == 2 * len(hunks)
    different: list[str] = []
    for i, hunk in enumerate(hunks):
        first, second = ("".join(pre.text).splitlines() for pre in pres[2 * i : 2 * i + 2])
        assert ("same" in hunk.classes) == (first == second)
        if "different" in hunk.classes:
            assert not set(first) & set(second)
            different += first + second
    assert different == ["".join(element.text) for element in page.all("mark")]


def test_another_model_that_ran_is_the_one_that_is_shown(
    compared: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(type(compared[0].runs["module"].model)):
        def train_step(self, *arguments: Any) -> None:
            """Is another."""

    result = compared[0]
    other = object.__new__(Other)
    state = result.runs["module"].state
    monkeypatch.setattr(state, "model", other)
    page = Page(two_runs.files(result, tables(), DataSettings(), "")[REPORT])
    assert code_of(page, 0)[1] == [
        "def train_step(self, *arguments: Any) -> None:",
        '    """Is another."""',
    ]


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_a_page_has_no_script_and_names_nothing_outside(name: str, compared: tuple) -> None:
    content = run_files()[REPORT] if name == "run" else compared[1][REPORT]
    page = Page(content)
    named = {element.attributes.get("id") for element in page.elements}
    assert not {"script", "iframe", "object", "embed", "img", "base", "form"} & {
        element.tag for element in page.elements
    }
    for element in page.elements:
        for attribute, value in element.attributes.items():
            assert not attribute.startswith("on")
            if attribute in ("href", "src", "srcset", "xlink:href", "data", "action"):
                assert value == "data:," or (value[0] == "#" and value[1:] in named)
            for place in re.findall(r"url\(([^)]*)\)", value or ""):
                assert place[0] == "#" and place[1:] in named
    for style in page.all("style"):
        assert not re.search(r"url\(|@import", "".join(style.text))
    assert b"://" not in content


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_no_two_elements_have_one_name(name: str, compared: tuple) -> None:
    page = Page(run_files()[REPORT] if name == "run" else compared[1][REPORT])
    names = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(names) == len(set(names))


@wings.both_modes
def test_equal_runs_give_equal_bytes(mode: str) -> None:
    first, second = run_files(mode), run_files(mode)
    assert first == second
    assert set(first) >= {REPORT, PICTURES["nll"], PICTURES["roc"]}


def test_equal_comparisons_give_equal_bytes_but_for_the_time(compared: tuple) -> None:
    first, second = compared[1], compare(CONFIG)[1]

    def without_time(files: Mapping[str, bytes]) -> dict[str, bytes]:
        text, count = re.subn(b'<section id="time">.*?</section>', b"", files[REPORT], flags=re.S)
        assert count == 1
        return {**files, REPORT: text}

    assert without_time(first) == without_time(second)


def test_a_users_own_settings_of_matplotlib_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    before = run_files()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "svg.hashsalt": "a"}):
        assert run_files() == before


def test_every_picture_tells_what_it_shows_and_lies_beside_the_page_as_png() -> None:
    files = run_files()
    page = Page(files[REPORT])
    svgs = page.all("svg")
    assert len(svgs) == len(files) - 1 == 6
    titles = ["".join(element.text) for element in page.all("title")]
    assert len(titles) == 1 + len(svgs) and all(titles)
    for path, content in files.items():
        assert path == REPORT or content.startswith(b"\x89PNG")


def test_the_losses_of_the_rows_held_out_are_those_of_the_model_at_each_report() -> None:
    found = tables()
    held = HoldoutLosses(found.test)
    weights = []

    def keep(epochs: Any, state: Any) -> None:
        weights.append(wings.named("module", state.model))

    experiment.train("module", CONFIG, found.train, [held, keep])
    inputs = found.test.features
    scaled = [(inputs - w["standardize/mean"]) / w["standardize/deviation"] for w in weights]
    kernels = [(w["logistic/kernel"], w["logistic/bias"]) for w in weights]
    z = [(x @ kernel + bias)[:, 0] for x, (kernel, bias) in zip(scaled, kernels, strict=True)]
    expected = [np.mean(np.logaddexp(0, one) - found.test.labels * one) for one in z]
    np.testing.assert_array_equal(held.memory[:, 0], [2, 4, 6])
    np.testing.assert_allclose(held.memory[:, 1], expected, rtol=1e-5)


def test_without_rows_held_out_the_curves_are_of_those_trained_on_and_say_so() -> None:
    files = run_files(holdout=0.0)
    text = files[REPORT].decode()
    assert "No rows were held out." in text
    assert "of the rows trained on, since none were held out" in text
    assert PICTURES["roc"] in files


def test_what_is_of_some_of_the_rows_alone_says_so() -> None:
    found = tables()
    held = HoldoutLosses(found.test)
    run = experiment.train("module", CONFIG, found.train, held)
    results = Results(run.config, run.history, {"training": run.metrics}, run.weights)
    for rows, said in ((80, b"rows held out."), (81, b"rows held out, of which they are 80 at ")):
        given = found._replace(held=rows)
        assert said in one_run.files("module", run, given, results, DataSettings(), held)[REPORT]


def test_a_likelihood_of_no_binary_labels_gets_the_loss_alone() -> None:
    config = Config(**{**vars(CONFIG), "likelihood": wings.Poisson()})
    files = run_files(config=config, holdout=0.0)
    assert set(files) == {REPORT, PICTURES["nll"]}
    assert "Poisson" in files[REPORT].decode()


class Score(wings.Poisson):
    """Of labels from 0 to 1, with means that are no probabilities."""

    label_range = (0, 1)


def test_means_that_are_no_probabilities_cost_their_pictures_and_not_the_run() -> None:
    config = dataclasses.replace(CONFIG, likelihood=Score())
    files = run_files(config=config, holdout=0.0)
    assert set(files) == {REPORT, PICTURES["nll"]}


def test_dollars_in_a_columns_name_are_no_formula() -> None:
    show = functools.partial(plots.coefficients, names=["price $x_{ and $"], z=[1.0])
    assert drawing.draw("coefficients", "", "", show).png


def test_a_check_that_fails_is_said_and_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("of the user's own")

    monkeypatch.setattr(two_runs, "check_likelihood", fail)
    _, files = compare(dataclasses.replace(CONFIG, epochs=1))
    assert b"of the user&#x27;s own" in files[REPORT]


def test_without_matplotlib_the_page_is_there_and_says_how_to_have_pictures(
    monkeypatch: pytest.MonkeyPatch, compared: tuple
) -> None:
    monkeypatch.setattr(drawing, "NEEDED", {"no_such_package": "matplotlib"})
    for files in (run_files(), two_runs.files(compared[0], tables(), DataSettings(), "")):
        assert set(files) == {REPORT}
        assert not Page(files[REPORT]).all("svg")
        assert "pip install matplotlib" in files[REPORT].decode()


def test_what_a_name_holds_is_text_and_no_markup() -> None:
    found = tables()._replace(name="<script>alert(1)</script>&.csv")
    held = HoldoutLosses(found.test)
    run = experiment.train("module", CONFIG, found.train, held)
    results = Results(run.config, run.history, {"training": run.metrics}, run.weights)
    data = DataSettings(train="<b>.csv", label="y")
    content = one_run.files("module", run, found, results, data, held)[REPORT]
    page = Page(content)
    assert not page.all("script")
    assert "".join(page.all("h1")[0].text) == "<script>alert(1)</script>&.csv: module mode"


def test_the_check_of_the_likelihood_is_in_a_comparisons_page(compared: tuple) -> None:
    rows = two_runs.check_likelihood("logit", "float32", False, CONFIG.seed)
    page = Page(compared[1][REPORT])
    shown = ["".join(element.text) for element in page.all("th")]
    for row in rows:
        subject = row.subject + ("" if row.label is None else f", y = {row.label:g}")
        assert subject in shown


def test_keras_shorter_hook_is_shown_where_it_was_used() -> None:
    config = Config(**{**vars(CONFIG), "keras_hook": "compute_loss"})
    result, files = compare(config)
    source = inspect.getsource(type(result.runs["keras"].model).compute_loss)
    last = "".join(Page(files[REPORT]).all("pre")[-1].text)
    assert last.splitlines() == textwrap.dedent(source).splitlines()


def test_the_folder_has_the_page_its_pictures_and_a_manifest_of_them(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--output_dir=run", "--noexport", "--holdout=0.3", "--epochs=2", "--hidden_units=")
    newton = ("--optimizer=newton", "--standardize", "--epochs=20", "--cost=1,5")
    for _ in range(2):
        finished = main_in_process(*flags, *newton, "--overwrite")
        assert (finished.returncode, finished.stderr) == (0, "")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    one = {"nll", "roc", "precision_recall", "reliability", "cost", "scores", "coefficients"}
    assert {path.stem for path in (tmp_path / "run" / "pictures").iterdir()} == one
    assert {REPORT, *(PICTURES[name] for name in one)} <= set(manifest["files"])
    page = Page((tmp_path / "run" / REPORT).read_bytes())
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    texts = ["".join(element.text) for element in page.all("td")]
    assert f"{metrics['judged']['holdout']['metrics']['roc_auc'][0]:.6f}" in texts
    assert "duration_months" in ["".join(element.text) for element in page.all("th")]


def test_a_run_that_goes_on_leaves_the_page_of_one_that_was_not_stopped(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--noexport", "--holdout=0.3", "--standardize")
    for folder, epochs in (("whole", 4), ("stopped", 2), ("stopped", 4)):
        finished = main_in_process(*flags, f"--output_dir={folder}", f"--epochs={epochs}")
        assert (finished.returncode, finished.stderr) == (0, "")
    assert "\n    1  " not in finished.stdout and "\n    3  " in finished.stdout
    whole, stopped = ((tmp_path / name / REPORT).read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def test_a_likelihood_that_the_check_cannot_take_does_not_cost_the_page(
    compared: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("by a user's own")

    monkeypatch.setattr(two_runs, "check_likelihood", fail)
    files = two_runs.files(compared[0], tables(), DataSettings(), "")
    assert b"ZeroDivisionError: by a user&#x27;s own" in files[REPORT]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([0.0, 0.0, 0.0], {"reliability", "scores"}),
        ([0.0, 0.25, 1.0], {"reliability", "cost", "scores"}),
        ([0.0, 1.0, 1.0], {"roc", "precision_recall", "reliability", "cost", "scores"}),
    ],
)
def test_a_picture_that_would_mean_nothing_is_left_out(
    labels: list[float], names: set[str]
) -> None:
    rows = sorted_rows(labels, [0.0, 0.5, 1.0], [0.1, 0.2, 0.3], None)
    assert {picture.name for picture in one_run._of_probabilities(rows, (1, 5))} == names


def test_a_comparison_has_one_page_for_both(
    main_in_process: Callable, tmp_path: pathlib.Path
) -> None:
    flags = ("--mode=compare", "--output_dir=run", "--noexport", "--epochs=2")
    assert main_in_process(*flags).returncode == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("module", "keras", "pictures", REPORT),
    }
    assert not (tmp_path / "run" / "keras" / REPORT).exists()
    assert main_in_process(*flags, "--overwrite", "--noreport").returncode == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"module", "keras"}
