"""TensorFlow's strategies, begun so that a worker that is not there is an exception, and soon."""

import contextlib
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

from lowlevel import startup
from lowlevel.config import MULTIWORKER, Config
from lowlevel.distribution.cluster import Cluster, from_environment
from lowlevel.errors import LostWorkerError, in_one_line

# With whose other workers this process has met.
_MET: set[Cluster] = set()
# When workers that have begun again, since one was gone, give up: of the monotonic clock, in the
# environment, which outlives them.
DEADLINE = "LOWLEVEL_WORKER_DEADLINE"
# Between two looks for a worker that is not there yet, and for one look, in seconds.
PAUSE, LOOK = 0.1, 1.0
# What an operation of several workers fails with when one of them is gone.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.FailedPreconditionError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)


def start(config: Config) -> int:
    """Starts TensorFlow's devices, and the strategy that a run asks for, once for the process.

    Returns:
        The number of threads for an operation.

    Raises:
        ValueError: the process has begun with other threads or devices; TF_CONFIG is not as it
            should be, another program has the worker's port, or a worker does not come.
    """
    if config.strategy != MULTIWORKER:
        return startup.start_devices(config.threads, config.virtual_devices)
    # One that is not as it should be is told before anything starts.
    cluster = from_environment()
    threads = startup.start_devices(config.threads, config.virtual_devices, connected)
    meet(cluster, config.worker_timeout)
    return threads


@contextlib.contextmanager
def scope(config: Config) -> Iterator[None]:
    """Has variables be made, and functions run, under the strategy of a run that has one."""
    if not config.distributed:
        yield
        return
    among_workers = config.strategy == MULTIWORKER
    strategy = connected() if among_workers else mirrored()
    lost = raising_lost() if among_workers else contextlib.nullcontext()
    with strategy.scope(), tf.variable_creator_scope(_of_first_replica), lost:
        yield


def first_replica() -> int:
    """Returns the number of this worker's first replica among those of all workers."""
    return len(connected().extended.worker_devices) * from_environment().rank


@contextlib.contextmanager
def raising_lost() -> Iterator[None]:
    """Raises `LostWorkerError` for what TensorFlow says where one is."""
    try:
        yield
    except LOST as error:
        raise LostWorkerError(in_one_line(error)) from error


@functools.cache
def mirrored() -> tf.distribute.MirroredStrategy:
    """Returns the strategy over this process's GPUs, or over its processor, whole or in parts."""
    processors = tf.config.list_logical_devices("CPU")
    devices = tf.config.list_logical_devices("GPU") if len(processors) == 1 else []
    # What TensorFlow chooses by itself for a processor in parts can be had once in a process.
    reduction = None if devices else tf.distribute.ReductionToOneDevice()
    names = [device.name for device in devices or processors]
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


@functools.cache
def connected() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Returns the strategy of this process's cluster, whose others may not be there yet.

    Raises:
        ValueError: the worker's port is taken, or TensorFlow is in use already.
    """
    # A worker's death is then an exception of the operation that waits for it, at once. By
    # TensorFlow's coordination service the others may be aborted by C++, and where a worker does
    # not come they wait for ever.
    context.context().configure_coordination_service(service_type="")
    # It waits for all workers; `meet` does so as well, and hears Ctrl-C meanwhile.
    extended: Any = collective_all_reduce_strategy.CollectiveAllReduceExtended
    extended._enable_check_health = False
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise ValueError(
            "TF_CONFIG: expected a free port for this worker, "
            f"{from_environment().address}, got one that cannot be listened on: end the program "
            "that has it, or name another in all workers'"
        ) from error
    except RuntimeError as error:
        raise ValueError(
            f"strategy: expected {MULTIWORKER} to begin before TensorFlow is used in this "
            f"process, got {in_one_line(error)}"
        ) from error


def meet(cluster: Cluster, seconds: float) -> None:
    """Waits until all workers are there.

    Raises:
        ValueError: one does not come in time.
        LostWorkerError: one has gone while the others came.
    """
    if cluster in _MET:
        return
    deadline = min(time.monotonic() + seconds, float(os.environ.get(DEADLINE, "inf")))
    for rank, address in enumerate(cluster.addresses):
        if rank != cluster.rank and not listens_by(address, deadline):
            raise ValueError(
                f"worker_timeout: expected worker {rank} at {address} within {seconds:g} seconds, "
                "got none: start it, and this one again; a run that has begun goes on from its "
                "last checkpoint"
            )
    extended: Any = connected().extended
    extended._check_health_initial_timeout = max(1, round(deadline - time.monotonic()))
    try:
        with raising_lost():
            # It meets the others, and from then on looks every 30 seconds whether they are there.
            extended._start_check_health_thread()
    except (RuntimeError, tf.errors.OpError) as error:
        raise ValueError(
            f"worker_timeout: expected all {len(cluster.addresses)} workers to meet within "
            f"{seconds:g} seconds, got some that do not answer: see that each has the "
            "same cluster in TF_CONFIG, and an index of its own"
        ) from error
    _MET.add(cluster)
    os.environ.pop(DEADLINE, None)


def listens_by(address: str, deadline: float) -> bool:
    """Returns whether somebody listens at an address by a deadline of the monotonic clock."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK).close()
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)


def _of_first_replica(make: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
    """Makes a variable that each replica sets to one value, known to all of them."""
    arguments["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return make(**arguments)
