"""Devices: on what a network is trained, and how several of them share the work."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from training.errors import MachineError, TrainingError
from training.fitting import cluster
from training.fitting.cluster import Cluster

STRATEGIES = ("none", "mirrored", "multiworker")
DEVICES = ("auto", "cpu", "gpu")

# What TensorFlow says when a peer is gone depends on who notices it, where, and what it was just doing.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnknownError,
)
_TELLING = ("aborted by", "unhealthy", "heartbeat", "onnection", "not registered", "incarnation", "imed out")


@dataclass(frozen=True)
class Devices:
    """What a run has to compute with.

    Attributes:
        strategy: Of `tf.distribute`; None for one device.
        replicas: Copies of the network, over all machines.
        workers: Machines, or processes.
        worker: The number of this one.
        description: In words.
    """

    strategy: Any = None
    replicas: int = 1
    workers: int = 1
    worker: int = 0
    description: str = "one device"

    @property
    def is_chief(self) -> bool:
        """Whether this process keeps the records and publishes; one of all does."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Gives the scope in which variables are made for all devices."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def distribute(self, batches: Any) -> Any:
        """Hands batches, already cut for the devices of this process, to them."""
        if self.strategy is None:
            return batches
        return self.strategy.distribute_datasets_from_function(lambda _: batches)

    def agreed(self, numbers: tuple[float, float]) -> tuple[float, float]:
        """Gives the mean of numbers over all workers: if two drew other conclusions from them, both would hang."""
        if self.workers == 1:
            return numbers
        strategy = self.strategy

        def mean(mine: Any) -> Any:
            each = strategy.run(lambda: tf.identity(mine))
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, each, axis=None)

        first, second = tf.function(mean)(tf.constant(numbers, tf.float64)).numpy().tolist()
        return first, second

    @contextlib.contextmanager
    def telling_of_lost_peers(self) -> Iterator[None]:
        """Tells of a lost peer in words that help; a run of one machine has none to lose."""
        try:
            yield
        except _LOST as error:
            if self.workers == 1:
                raise
            raise lost_peer(self.description, error) from error

    def check(self, batch_size: int, frames: int) -> None:
        """Raises TrainingError if a batch cannot be shared out evenly, or there are fewer frames than one batch."""
        if batch_size % self.replicas:
            raise TrainingError(
                f"fit.batch_size: {self.replicas} devices share a batch, so expected a multiple of {self.replicas}, "
                f"received {batch_size}"
            )
        if self.replicas > 1 and frames < batch_size:
            raise TrainingError(
                f"fit.batch_size: with several devices only whole batches are used; expected at most the {frames} "
                f"training frames, received {batch_size}"
            )


def choose(
    strategy: str = "none",
    *,
    device: str = "auto",
    cpu_devices: int = 1,
    among: Cluster | None = None,
    wait: float = cluster.WAIT_SECONDS,
) -> Devices:
    """Chooses devices. To be called before TensorFlow computes anything.

    Args:
        strategy: ``none`` (the first GPU, else the CPU), ``mirrored`` (all GPUs of this machine) or ``multiworker``
            (several machines).
        device: ``auto``, ``cpu`` or ``gpu``; the last makes a GPU that is not there an error.
        cpu_devices: Without GPUs, as how many devices the CPU counts; to try a strategy with.
        among: The machines; by default those that `TF_CONFIG` in the environment names.
        wait: Seconds that TensorFlow may take to bring them together.

    Raises:
        TrainingError: There is no GPU, or nobody says which the machines are.
        MachineError: They do not come together.
    """
    if strategy not in STRATEGIES:
        raise TrainingError(f"--strategy: expected one of {', '.join(STRATEGIES)}, received {strategy!r}")
    if device not in DEVICES:
        raise TrainingError(f"--device: expected one of {', '.join(DEVICES)}, received {device!r}")
    machines = (among or cluster.find()) if strategy == "multiworker" else None
    gpus = _gpus(device)
    if not gpus and cpu_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * cpu_devices)
    kind = "GPU" if gpus else "CPU"
    if strategy == "none":
        return Devices(description=f"one {kind}")
    if machines is None:
        names = [logical.name for logical in tf.config.list_logical_devices(kind)]
        # On a CPU there is no NCCL to sum gradients with.
        operations = None if gpus else tf.distribute.ReductionToOneDevice()
        made = tf.distribute.MirroredStrategy(names, cross_device_ops=operations)
        return Devices(made, made.num_replicas_in_sync, description=f"{len(names)} {kind}s, mirrored")
    return _together(machines, gpus, wait)


def _together(among: Cluster, gpus: list[Any], wait: float) -> Devices:
    os.environ[cluster.VARIABLE] = among.tf_config()
    description = f"worker {among.number + 1} of {len(among.hosts)}"
    jobs = {"chief": among.chiefs, "worker": len(among.hosts) - among.chiefs}
    # TensorFlow's own would wait an hour for a peer that was there a moment ago.
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{'chief' if among.chiefs else 'worker'}/replica:0/task:0",
        cluster_register_timeout_in_ms=int(wait * 1000),
        coordinated_jobs=[CoordinatedJob(name=name, num_tasks=count) for name, count in jobs.items() if count],
    )
    way = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(implementation=way.AUTO if gpus else way.RING)
    try:
        made = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except _LOST as error:
        raise lost_peer(description, error) from error
    count = made.num_replicas_in_sync
    described = f"{description}, {count} {'GPU' if gpus else 'CPU'}s in all"
    return Devices(made, count, len(among.hosts), among.number, described)


def lost_peer(description: str, error: Exception) -> MachineError:
    """Says that another worker is gone, and what to do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["nothing"]
    # What a person can use of it stands somewhere in many lines about the graph.
    best = next((line for line in lines if any(word in line for word in _TELLING)), lines[-1])
    return MachineError(
        f"Lost a peer ({description}); start all workers again with the same --name, they go on after the last "
        f"finished epoch. TensorFlow says: {best[:300]}"
    )


def _gpus(device: str) -> list[Any]:
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return []
    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        built = tf.test.is_built_with_cuda()
        hint = (
            "the driver or the libraries of CUDA were not found; look at nvidia-smi, and in a container ask for the "
            "GPU (--gpus all, nvidia.com/gpu: 1)"
            if built
            else "this TensorFlow is built for CPUs; install tensorflow[and-cuda]"
        )
        raise TrainingError(f"--device gpu: expected a GPU, TensorFlow finds none: {hint}")
    for gpu in gpus:
        # Otherwise the first process takes all memory of the card.
        tf.config.experimental.set_memory_growth(gpu, True)
    return gpus
