"""TF_CONFIG: whose cluster it is and which worker this is, or one line of what is wrong with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lowlevel.distribution.cluster import EXAMPLE, Cluster, from_environment

WORKERS = {"worker": ["one:2222", "two:2222", "three:2222"]}
WITH_CHIEF = {"worker": ["one:2222", "two:2222"], "chief": ["first:2222"]}


@pytest.fixture
def cluster_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Cluster]:
    """Reads a variable."""

    def read(text: str) -> Cluster:
        monkeypatch.setenv("TF_CONFIG", text)
        return from_environment()

    return read


def text_of(cluster: Any, kind: Any = "worker", index: Any = 0, **others: Any) -> str:
    """A variable."""
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}, **others})


def of_address(address: Any) -> str:
    """A variable of two workers, one at an address."""
    return text_of({"worker": [address, "two:2222"]})


def test_workers_are_counted_in_the_order_that_is_given(cluster_of: Callable) -> None:
    found = [cluster_of(text_of(WORKERS, index=index)) for index in range(3)]
    assert [cluster.rank for cluster in found] == [0, 1, 2]
    assert {cluster.addresses for cluster in found} == {("one:2222", "two:2222", "three:2222")}
    assert [cluster.address for cluster in found] == ["one:2222", "two:2222", "three:2222"]


@pytest.mark.parametrize(
    ("kind", "index", "rank", "address"),
    [
        ("chief", 0, 0, "first:2222"),
        ("worker", 0, 1, "one:2222"),
        ("worker", 1, 2, "two:2222"),
    ],
)
def test_the_chief_comes_first_wherever_it_stands(
    kind: str, index: int, rank: int, address: str, cluster_of: Callable
) -> None:
    found = cluster_of(text_of(WITH_CHIEF, kind, index))
    assert (found.rank, found.address) == (rank, address)


def test_the_example_that_messages_give_is_a_cluster(cluster_of: Callable) -> None:
    assert cluster_of(EXAMPLE).rank == 0


def test_what_else_tensorflow_reads_is_let_be(cluster_of: Callable) -> None:
    assert cluster_of(text_of(WORKERS, environment="cloud", rpc_layer="grpc")).rank == 0


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1:1", "a-host.some_where.net:65535", "[::1]:2222", "[fe80::1%eth-0]:2222"],
)
def test_a_worker_may_be_at_a_name_or_a_number(address: str, cluster_of: Callable) -> None:
    assert cluster_of(of_address(address)).address == address


REFUSED = {
    "nothing": ("", "expected the cluster"),
    "blanks": (" \n", "expected the cluster"),
    "no JSON": ("{worker", "expected JSON"),
    "JSON of a byte order mark": ("\ufeff{}", "expected JSON"),
    "JSON without an end": ("[" * 10**5, "expected JSON"),
    "a number of too many digits": (EXAMPLE.replace("0}", "9" * 5000 + "}"), "expected JSON"),
    "a list": ("[]", "expected an object"),
    "null": ("null", "expected an object"),
    "no number": ("NaN", "expected an object"),
    "no cluster": ('{"task": {"type": "worker", "index": 0}}', '"cluster", got none'),
    "an empty cluster": (text_of({}), '"cluster"'),
    "a cluster that is a list": (text_of(["one:2222"]), '"cluster"'),
    "no task": (json.dumps({"cluster": WORKERS}), "a task of a type in the cluster, worker"),
    "a task that is a list": (json.dumps({"cluster": WORKERS, "task": [0]}), "a task of a type"),
    "parameter servers": (text_of({**WORKERS, "ps": ["four:2222"]}), "got a job ps"),
    "a job over two lines": (text_of({**WORKERS, "p\ns": []}), "got a job p s"),
    "a task of no job": (text_of(WORKERS, "ps"), "a task of a type in the cluster, worker"),
    "a chief of none": (text_of(WORKERS, "chief"), "a task of a type in the cluster, worker"),
    "a type that is a list": (text_of(WORKERS, ["worker"]), "a task of a type"),
    "a type that is an object": (text_of(WORKERS, {}), "a task of a type"),
    "no type": (json.dumps({"cluster": WORKERS, "task": {"index": 0}}), "a task of a type"),
    "an index too high": (text_of(WORKERS, index=3), "index from 0 to 2 for worker, got 3"),
    "an index below 0": (text_of(WORKERS, index=-1), "index from 0 to 2 for worker, got -1"),
    "an index of a second chief": (text_of(WITH_CHIEF, "chief", 1), "from 0 to 0 for chief"),
    "an index that is a text": (text_of(WORKERS, index="0"), "index from 0 to 2"),
    "an index that is a fraction": (text_of(WORKERS, index=0.0), "index from 0 to 2"),
    "an index that is a truth value": (text_of(WORKERS, index=False), "got False"),
    "no index": (text_of(WORKERS, index=None), "got none"),
    "two chiefs": (text_of({**WORKERS, "chief": ["a:1", "b:1"]}), "expected one chief, got 2"),
    "no workers": (text_of({"worker": []}), "a list of addresses for worker, got []"),
    "no chiefs": (text_of({**WORKERS, "chief": None}), "a list of addresses for chief, got none"),
    "workers by number": (text_of({"worker": {"0": "one:2222"}}), "a list of addresses for worker"),
    "a worker alone": (text_of({"worker": "one:2222"}), "a list of addresses for worker"),
    "one address twice": (text_of({"worker": ["one:1", "one:1"]}), "different addresses"),
    "an address in capitals": (text_of({"worker": ["one:1", "ONE:1"]}), "different addresses"),
    "a chief among the workers": (
        text_of({"worker": ["one:1"], "chief": ["one:1"]}),
        "different addresses, got one:1, one:1",
    ),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_cluster_is_one_line_of_what_is_wrong(
    text: str, said: str, cluster_of: Callable
) -> None:
    assert_refused(text, said, cluster_of)


@pytest.mark.parametrize(
    "address",
    [
        "one",
        "one:",
        ":2222",
        "one:0",
        "one:65536",
        "one:port",
        "one:-1",
        "one: 2222",
        "one:2222\n",
        # A port has one spelling, of the digits that a keyboard has.
        "one:02222",
        "one:2\u0968",
        # Of what numbers is the port?
        "::1:2222",
        "one,three:2222",
        "http://one:2222",
        "\ud800:2222",
        2222,
        None,
        ["one", 2222],
    ],
    ids=ascii,
)
def test_what_is_no_address_is_refused(address: Any, cluster_of: Callable) -> None:
    assert_refused(of_address(address), "addresses as host:port", cluster_of)


def assert_refused(text: str, said: str, cluster_of: Callable) -> None:
    """Fails unless a variable is refused in one line, which says how it should be."""
    with pytest.raises(ValueError, match=r"^TF_CONFIG: expected ") as caught:
        cluster_of(text)
    assert type(caught.value) is ValueError
    message = str(caught.value)
    assert said in message
    assert EXAMPLE in message
    assert len(message.splitlines()) == 1


def test_without_the_variable_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=r"^TF_CONFIG: expected the cluster, .* got none: set it$"):
        from_environment()
