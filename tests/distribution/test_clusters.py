"""Runs shared by devices and by processes: the bits of one process, and one line where none can be.

The processes are on this machine, and each is a worker.
"""

import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from lowlevel.cli.loopback import clusters
from tests import cluster_kills
from tests.conftest import MAIN, ROOT
from tests.distribution import runs
from tests.kills import same

# A test that waits longer than that for a process has found one that does not end.
SECONDS = 120


def begin(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Starts a process of Python."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Each process's exit code, and what it wrote to standard output and standard error."""
    try:
        written = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, written, strict=True)]


@functools.cache
def expected() -> dict[str, str]:
    """What each run comes to in this process alone."""
    return runs.outcomes(runs.TRAINING_MODES, shards=8)


@pytest.mark.parametrize("devices", ["2", "4"])
def test_devices_that_share_a_run_end_with_its_bits(devices: str) -> None:
    ((code, output, errors),) = ends(
        [begin(["-m", "tests.distribution.runs", "mirrored", devices], {})]
    )
    assert not code, errors
    assert json.loads(output) == expected()


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_workers_that_share_a_run_end_with_its_bits(workers: int) -> None:
    command = ["-m", "tests.distribution.runs", "multiworker", "1"]
    found = ends([begin(command, environment) for environment in clusters(workers)])
    for code, output, errors in found:
        assert not code, errors
        ours = json.loads(output)
        assert ours == {name: expected()[name] for name in ours}
        assert len(ours) == len(runs.CASES)


def train(environment: Mapping[str, str], *flags: str) -> subprocess.Popen[str]:
    """Starts a worker of main.py."""
    return begin(
        [MAIN, "--strategy=multiworker", "--epochs=1", "--worker_timeout=20", *flags], environment
    )


def assert_one_line(end: tuple[int, str, str], *words: str) -> None:
    """Fails unless a process has ended with one line on standard error, with words in it."""
    code, _, errors = end
    assert code == 1
    (line,) = errors.splitlines()
    for word in words:
        assert word in line


def test_a_worker_of_another_configuration_ends_all_with_the_same_line(data_dir: str) -> None:
    data = f"--data_dir={data_dir}"
    others = [[data], [data, "--hidden_units=3"], [data]]
    processes = [train(env, *own) for env, own in zip(clusters(3), others, strict=True)]
    for end in ends(processes):
        assert_one_line(end, "worker 1", "hidden_units=(3,) in place of (4,)")


def test_a_port_in_use_and_a_worker_that_does_not_come_are_told() -> None:
    first, second = clusters(2)
    port = json.loads(second["TF_CONFIG"])["cluster"]["worker"][1].split(":")[1]
    with socket.create_server(("127.0.0.1", int(port))):
        (taken,) = ends([train(second)])
    assert_one_line(taken, "TF_CONFIG", "free port", port)
    (alone,) = ends([train(first, "--worker_timeout=2")])
    assert_one_line(alone, "worker_timeout", "worker 1", port, "within 2 seconds")


@pytest.mark.parametrize(
    ("config", "word"), [("nonsense", "JSON"), ("", "TF_CONFIG: expected the cluster")]
)
def test_a_cluster_that_cannot_be_is_refused(config: str, word: str) -> None:
    (end,) = ends([train({"TF_CONFIG": config})])
    assert_one_line(end, "TF_CONFIG", word)


@pytest.mark.parametrize("run", ["in memory", pytest.param("a stream", marks=pytest.mark.full)])
def test_workers_that_are_killed_go_on_to_the_same_bits(run: str, data_dir: str) -> None:
    flags = ["--kills=1", f"--runs={run}", f"--data_dir={data_dir}"]
    subprocess.run(
        [sys.executable, "-m", "tests.cluster_kills", *flags], cwd=ROOT, check=True, timeout=300
    )
    assert run in cluster_kills.RUNS


def test_a_run_goes_on_with_another_number_of_workers(
    data_dir: str, tmp_path: pathlib.Path
) -> None:
    common = ["--shards=8", "--optimizer=adam", "--noexport", "--noreport"]
    flags = [*common, f"--data_dir={data_dir}", f"--output_dir={tmp_path}/shared"]
    for count, epochs in ((2, 2), (3, 4)):
        processes = [train(one, *flags, f"--epochs={epochs}") for one in clusters(count)]
        assert [code for code, _, _ in ends(processes)] == [0] * count
    alone = [MAIN, *flags, "--epochs=6"]
    never = [
        MAIN,
        *common,
        f"--data_dir={data_dir}",
        "--epochs=6",
        f"--output_dir={tmp_path}/alone",
    ]
    assert [code for code, _, _ in ends([begin(alone, {}), begin(never, {})])] == [0, 0]
    assert same("a run that went on", str(tmp_path / "alone"), str(tmp_path / "shared"))
