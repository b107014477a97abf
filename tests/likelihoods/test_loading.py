"""Likelihoods by name, from files and as instances: what loads, and how the rest is refused."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lowlevel.likelihoods import LIKELIHOODS, Likelihood, differentiable_nll
from lowlevel.likelihoods.loading import beside, load, name_of
from tests.likelihoods.cases import EXECUTIONS, every_execution, every_shipped_likelihood

SOURCE = """
    import tensorflow as tf
    from lowlevel.likelihoods import Likelihood

    class Custom(Likelihood):
        def nll(self, z, y):
            return {}

    CUSTOM = Custom()
    OTHER = Custom()
    NUMBER = 7
"""
GOOD = SOURCE.format("tf.nn.softplus(z) - y * z")


def write(folder: Path, source: str) -> str:
    """The path of a new file with a source."""
    path = folder / "custom.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A custom likelihood in a file that no test changes."""
    return write(tmp_path_factory.mktemp("custom"), GOOD) + ":CUSTOM"


@every_shipped_likelihood
def test_a_name_loads_the_likelihood_of_that_name(name: str) -> None:
    assert load(name) is LIKELIHOODS[name]


@every_execution
def test_a_custom_file_loads_and_trains(spec: str, execution: str) -> None:
    custom = load(spec)
    z, y = tf.linspace(-5.0, 5.0, 11), tf.zeros([11])

    def gradient(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = differentiable_nll(custom, z, y)
        return tape.gradient(loss, z)

    np.testing.assert_allclose(EXECUTIONS[execution](gradient)(z), tf.sigmoid(z), rtol=1e-5)


def test_a_file_is_run_once_until_it_changes(tmp_path: Path) -> None:
    count = "from pathlib import Path; Path(__file__ + '.runs').open('a').write('run ')"
    spec = write(tmp_path, textwrap.dedent(GOOD) + count) + ":CUSTOM"
    assert load(spec) is load(spec)
    assert (tmp_path / "custom.py.runs").read_text() == "run "
    write(tmp_path, SOURCE.format("2.0 * (tf.nn.softplus(z) - y * z)"))
    assert load(spec).nll(tf.zeros([1]), tf.zeros([1])) == np.float32(2 * np.log(2))


def test_loading_leaves_nothing_behind(spec: str) -> None:
    load(spec)
    assert [path.name for path in Path(spec).parent.iterdir()] == ["custom.py"]


def test_a_file_may_define_dataclasses_with_annotations_kept_as_text(tmp_path: Path) -> None:
    source = """
        from __future__ import annotations
        import dataclasses
        import tensorflow as tf
        from lowlevel.likelihoods import Likelihood

        @dataclasses.dataclass
        class Custom(Likelihood):
            scale: float
            def nll(self, z, y):
                return self.scale * (tf.nn.softplus(z) - y * z)

        CUSTOM = Custom(2.0)
    """
    custom = load(write(tmp_path, source) + ":CUSTOM")
    np.testing.assert_allclose(custom.nll(tf.zeros([1]), tf.zeros([1])), 2 * np.log(2), rtol=1e-6)


# Finding it again.


@every_shipped_likelihood
def test_a_shipped_likelihoods_name_loads_it_again(name: str) -> None:
    assert load(name_of(LIKELIHOODS[name])) is LIKELIHOODS[name]


def test_a_custom_likelihoods_name_loads_it_again(spec: str) -> None:
    assert name_of(load(spec)) == spec
    assert load(name_of(load(spec))) is load(spec)


def test_the_name_is_good_from_every_folder(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(spec).parent)
    assert name_of(load("custom.py:CUSTOM")) == spec


def test_a_likelihood_keeps_its_name_when_another_of_its_file_is_loaded(spec: str) -> None:
    custom = load(spec)
    load(spec.replace("CUSTOM", "OTHER"))
    assert name_of(custom) == spec


def test_a_likelihood_that_has_no_global_name_has_none_to_be_found_by() -> None:
    with pytest.raises(
        ValueError, match=r"^Expected a likelihood that can be found again, got a L"
    ):
        name_of(Likelihood())


@pytest.mark.parametrize("file", ["custom.py", "elsewhere/custom.py", "/nowhere/custom.py"])
def test_a_file_that_has_moved_is_found_beside_what_names_it(spec: str, file: str) -> None:
    with beside(Path(spec).parent):
        assert name_of(load(f"{file}:CUSTOM")) == spec
    with pytest.raises(ValueError, match="found no file"):
        load(f"{file}:CUSTOM")


# What is refused.


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("x = (", "CUSTOM", "Cannot run .*SyntaxError"),
        ("1 / 0", "CUSTOM", "Cannot run .*ZeroDivisionError: division by zero"),
        ("raise RuntimeError('one\\ntwo')", "CUSTOM", "RuntimeError: one two"),
        ("import sys; sys.exit(3)", "CUSTOM", "SystemExit: 3"),
        ("import nowhere", "CUSTOM", "No module named 'nowhere'"),
        (GOOD, "YOURS", "defines no 'YOURS'"),
        (GOOD, "NUMBER", "NUMBER is no Likelihood"),
        (GOOD, "Custom", r"Custom is a class, not an instance, define Custom = "),
        (GOOD, "", "defines no ''"),
        (SOURCE.format("undefined"), "CUSTOM", r"custom\.py:CUSTOM.*nll fails: NameError"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(
    tmp_path: Path, source: str, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load(f"{write(tmp_path, source)}:{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("logits", "Unknown likelihood 'logits': give one of logit, .* or FILE.py"),
        ("", "Unknown likelihood ''"),
        ("mine.py", "Unknown likelihood 'mine.py'"),
        ("nowhere/mine.py:MINE", "found no file nowhere/mine.py"),
        (7, "^likelihood: expected a name, FILE.py:NAME or a Likelihood, got a int"),
        (Likelihood, "^likelihood: expected .*, got a class, Likelihood"),
    ],
)
def test_a_likelihood_that_is_not_there_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(spec)


@pytest.mark.parametrize("path", ["m" * 5_000, "folder/" * 700 + "m", "folder/" * 500 + "m"])
def test_a_very_long_path_is_refused_in_one_short_line(path: str) -> None:
    with pytest.raises(ValueError, match=r"^(likelihood|Expected a Python file)") as caught:
        load(f"{path}.py:CUSTOM")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
