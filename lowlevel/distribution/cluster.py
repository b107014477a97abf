"""The cluster as TF_CONFIG has it, looked at before TensorFlow does. No TensorFlow here."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lowlevel.errors import shortened

VARIABLE = "TF_CONFIG"
CHIEF, WORKER = JOBS = ("chief", "worker")
EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# A name, an IPv4 address, or an IPv6 one in brackets; and no port in two spellings.
_ADDRESS = re.compile(r"(?:[\w.-]+|\[[\w:.%-]+\]):([1-9]\d{0,4})", re.ASCII)


class Cluster(NamedTuple):
    """The workers, and which of them this process is.

    Attributes:
        addresses: host:port of each, the chief first.
        rank: of this process among them; the chief's is 0.
    """

    addresses: tuple[str, ...]
    rank: int

    @property
    def address(self) -> str:
        """This process's own."""
        return self.addresses[self.rank]


def from_environment() -> Cluster:
    """Returns the cluster of TF_CONFIG; raises ValueError, one line, where it is none."""
    text = os.environ.get(VARIABLE, "")
    if not text.strip():
        raise ValueError(f"{VARIABLE}: expected the cluster, {EXAMPLE} say, got none: set it")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _expected("JSON", f"{shortened(text)} ({error})") from error
    if not isinstance(content, dict):
        raise _expected("an object", shortened(text))
    jobs = _jobs(content.get("cluster"))
    task = content.get("task")
    # A list of the jobs: what JSON has for a type may be what no mapping takes.
    if not isinstance(task, Mapping) or task.get("type") not in [*jobs]:
        raise _expected(f"a task of a type in the cluster, {' or '.join(jobs)}", task)
    kind, index = task["type"], task.get("index")
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(jobs[kind]):
        raise _expected(f"a task index from 0 to {len(jobs[kind]) - 1} for {kind}", index)
    addresses = tuple(address for job in JOBS for address in jobs.get(job, ()))
    # Names are the same in capitals.
    if len({*map(str.lower, addresses)}) < len(addresses):
        raise _expected("different addresses", ", ".join(addresses))
    first = 0 if kind == CHIEF else len(jobs.get(CHIEF, ()))
    return Cluster(addresses, first + index)


def _jobs(cluster: Any) -> dict[str, list[str]]:
    """Returns the addresses by job; raises ValueError for what is no cluster of workers."""
    if not isinstance(cluster, Mapping) or not cluster:
        raise _expected('a "cluster"', cluster)
    others = [job for job in cluster if job not in JOBS]
    if others:
        raise _expected("workers, and perhaps a chief", f"a job {others[0]}")
    for job, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses:
            raise _expected(f"a list of addresses for {job}", addresses)
        for address in addresses:
            found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
            if not found or int(found[1]) >= 2**16:
                raise _expected("addresses as host:port", address)
    if len(cluster.get(CHIEF, [0])) > 1:
        raise _expected("one chief", len(cluster[CHIEF]))
    return dict(cluster)


def _expected(what: str, given: Any) -> ValueError:
    """Returns what is said of a variable that is not as it should be."""
    found = "none" if given is None else shortened(str(given))
    return ValueError(f"{VARIABLE}: expected {what}, got {found}; it should be like {EXAMPLE}")
