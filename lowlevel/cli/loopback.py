"""A cluster on this machine, for trying: the program in several processes, one for each worker.

    python -m lowlevel.cli.loopback 3 --mode=module --epochs=100 --output_dir=out

What a worker prints has its number before it. One that is killed is started again, as a scheduler
would do it: try `kill -9` of any.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

USAGE = "python -m lowlevel.cli.loopback WORKERS [FLAGS]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the workers until all have ended; returns the first exit code that is not 0."""
    count, *flags = sys.argv[1:] if arguments is None else arguments
    configurations = clusters(int(count))
    workers = [begin(rank, environment, flags) for rank, environment in enumerate(configurations)]
    codes: dict[int, int] = {}
    try:
        while len(codes) < len(workers):
            for rank, worker in enumerate(workers):
                if rank not in codes and wait(worker) is not None:
                    if worker.returncode == -signal.SIGKILL:
                        print(f"worker {rank} was killed: starts it again", flush=True)
                        workers[rank] = begin(rank, configurations[rank], flags)
                    else:
                        codes[rank] = worker.returncode
    except KeyboardInterrupt:
        # The terminal has told the workers as well.
        codes = {rank: worker.wait() for rank, worker in enumerate(workers)}
    return next((code for code in codes.values() if code), 0)


def clusters(count: int) -> list[dict[str, str]]:
    """Returns the environment of each of so many workers, on ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    tasks = [{"type": "worker", "index": rank} for rank in range(count)]
    cluster = {"worker": addresses}
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def begin(rank: int, environment: Mapping[str, str], flags: Sequence[str]) -> subprocess.Popen[str]:
    """Starts a worker, and a thread that prints what it says."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "lowlevel", "--strategy=multiworker", *flags],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"worker {rank}: process {worker.pid}", flush=True)
    threading.Thread(target=relay, args=(rank, worker.stdout), daemon=True).start()
    return worker


def relay(rank: int, output: IO[str]) -> None:
    """Prints a worker's lines with its number before them."""
    for line in output:
        print(f"worker {rank}: {line}", end="", flush=True)


def wait(worker: subprocess.Popen[str]) -> int | None:
    """Returns a worker's exit code, or None if it has not ended a moment later."""
    try:
        return worker.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    if len(sys.argv) < 2 or not sys.argv[1].isdecimal() or not int(sys.argv[1]):
        sys.exit(f"usage: {USAGE}")
    sys.exit(main())
