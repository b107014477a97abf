"""Progress: one rule of when to report, records that continue, and no loss that is not finite."""

import itertools
from collections.abc import Sequence

import pytest

from lowlevel import progress
from lowlevel.config import Config
from lowlevel.progress import Epoch, Progress, State, steps_per_call

CASES = [(7, 3), (6, 3), (5, 1), (4, 100), (1, 1)]
every_case = pytest.mark.parametrize(("epochs", "report_every"), CASES)


def reports(epochs: int, report_every: int) -> list[int]:
    """After how many epochs there is a report: every so many, and at the end."""
    return sorted({*range(report_every, epochs, report_every), epochs})


@every_case
def test_a_report_comes_every_few_epochs_and_at_the_end(epochs: int, report_every: int) -> None:
    run = Progress(Config(epochs=epochs, report_every=report_every))
    for epoch in range(epochs):
        later = [report for report in reports(epochs, report_every) if report > epoch]
        assert run.next_report(epoch) == later[0]


@every_case
def test_spans_end_at_the_reports_wherever_they_begin(epochs: int, report_every: int) -> None:
    run = Progress(Config(epochs=epochs, report_every=report_every))
    for first in range(epochs):
        spans = list(run.spans(first))
        assert list(itertools.chain(*spans)) == list(range(first, epochs))
        later = [report for report in reports(epochs, report_every) if report > first]
        assert [span.stop for span in spans] == later


def test_no_span_is_left_after_the_last_epoch() -> None:
    assert list(Progress(Config(epochs=5)).spans(5)) == []


class Watcher:
    """An observer that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[list[int], int]] = []

    def __call__(self, epochs: Sequence[Epoch], state: State) -> None:
        self.shown.append(([record.epoch for record in epochs], state.epoch))


def test_observers_see_the_epochs_since_the_last_report_and_the_state() -> None:
    first, second = Watcher(), Watcher()
    run, state = Progress(Config(epochs=7, report_every=3), [first, second]), State(None, None)
    for losses in ([0.7], [0.6, 0.5], [0.4, 0.3, 0.2], [0.1]):
        run.add(losses, state)
    assert first.shown == second.shown == [([1, 2, 3], 3), ([4, 5, 6], 6), ([7], 7)]
    assert [record.nll for record in run.history] == [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]


def test_training_that_ends_early_is_reported_at_once() -> None:
    watcher = Watcher()
    run, state = Progress(Config(epochs=7, report_every=3), watcher), State(None, None)
    run.add([0.7, 0.6, 0.5], state)
    assert not run.stopped
    run.add([0.4], state, last=True)
    assert run.stopped and watcher.shown == [([1, 2, 3], 3), ([4], 4)]


def test_a_run_that_goes_on_from_a_state_counts_on() -> None:
    watcher = Watcher()
    run = Progress(Config(epochs=9, report_every=4), [watcher])
    state = State(None, None, epoch=5)
    for losses in ([0.3], [0.2, 0.1], [0.0]):
        run.add(losses, state)
    assert watcher.shown == [([6, 7, 8], 8), ([9], 9)]
    assert [record.epoch for record in run.history] == [6, 7, 8, 9]


def test_epochs_share_their_time_and_an_observers_own_is_not_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def watch(epochs: Sequence[Epoch], state: State) -> None:
        nonlocal now
        now += 100.0

    with monkeypatch.context() as patched:
        patched.setattr(progress.time, "perf_counter", lambda: now)
        run, state = Progress(Config(epochs=3), [watch]), State(None, None)
        now += 6.0
        run.add([0.5, 0.4], state)
        now += 2.0
        run.add([0.3], state)
    assert [record.seconds for record in run.history] == [3.0, 3.0, 2.0]


@pytest.mark.parametrize("nll", [float("nan"), float("inf"), -float("inf")])
def test_a_divergence_is_refused_with_what_to_do(nll: float) -> None:
    run, state = Progress(Config()), State(None, None)
    with pytest.raises(ValueError, match=r"got (nan|-?inf) in epoch 2: lower learning_rate"):
        run.add([0.7, nll], state)


def test_a_divergence_is_never_shown_to_an_observer() -> None:
    watcher = Watcher()
    with pytest.raises(ValueError, match="in epoch 1:"):
        Progress(Config(), [watcher]).add([float("nan")], State(None, None))
    assert watcher.shown == []


def test_a_call_takes_as_many_steps_as_are_quick_and_one_at_least() -> None:
    assert steps_per_call(batch_size=1, weights=1) == progress.MOST_STEPS
    assert steps_per_call(batch_size=2**20, weights=2**20) == 1
    steps = steps_per_call(batch_size=1_000, weights=10_000)
    assert steps * 1_000 * 10_000 <= progress.MOST_PRODUCTS < (steps + 1) * 1_000 * 10_000


def test_followers_see_the_latest_record_whenever_there_are_new_ones() -> None:
    followed: list[tuple[int, float]] = []
    run = Progress(
        Config(epochs=4, report_every=4),
        followers=[lambda record: followed.append((record.epoch, record.nll))],
    )
    state = State(None, None)
    for losses in ([0.7], [], [0.6, 0.5], [0.4]):
        run.add(losses, state)
    assert followed == [(1, 0.7), (3, 0.5), (4, 0.4)]
