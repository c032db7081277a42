"""Devices: on what a network is trained, and how several of them share the work."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from training.errors import TrainingError

STRATEGIES = ("none", "mirrored", "multiworker")
DEVICES = ("auto", "cpu", "gpu")


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


def choose(strategy: str = "none", *, device: str = "auto", cpu_devices: int = 1) -> Devices:
    """Chooses devices. To be called before TensorFlow computes anything.

    Args:
        strategy: ``none`` (the first GPU, else the CPU), ``mirrored`` (all GPUs of this machine) or ``multiworker``
            (several machines; `TF_CONFIG` in the environment names them).
        device: ``auto``, ``cpu`` or ``gpu``; the last makes a GPU that is not there an error.
        cpu_devices: Without GPUs, as how many devices the CPU counts; to try a strategy with.

    Raises:
        TrainingError: There is no GPU, or `TF_CONFIG` is missing or wrong.
    """
    if strategy not in STRATEGIES:
        raise TrainingError(f"--strategy: expected one of {', '.join(STRATEGIES)}, received {strategy!r}")
    if device not in DEVICES:
        raise TrainingError(f"--device: expected one of {', '.join(DEVICES)}, received {device!r}")
    task = _task() if strategy == "multiworker" else (0, 1)
    gpus = _gpus(device)
    if not gpus and cpu_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * cpu_devices)
    kind = "GPU" if gpus else "CPU"
    if strategy == "none":
        return Devices(description=f"one {kind}")
    if strategy == "mirrored":
        names = [logical.name for logical in tf.config.list_logical_devices(kind)]
        # On a CPU there is no NCCL to sum gradients with.
        operations = None if gpus else tf.distribute.ReductionToOneDevice()
        made = tf.distribute.MirroredStrategy(names, cross_device_ops=operations)
        return Devices(made, made.num_replicas_in_sync, description=f"{len(names)} {kind}s, mirrored")
    worker, workers = task
    way = tf.distribute.experimental.CommunicationImplementation.AUTO if gpus else None
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=way or tf.distribute.experimental.CommunicationImplementation.RING
    )
    made = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    return Devices(
        made,
        made.num_replicas_in_sync,
        workers,
        worker,
        f"worker {worker + 1} of {workers}, {made.num_replicas_in_sync} {kind}s in all",
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


def _task() -> tuple[int, int]:
    """Reads the number of this worker, and of all, from `TF_CONFIG`."""
    text = os.environ.get("TF_CONFIG", "")
    example = (
        '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}} with another '
        "index on each machine"
    )
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        chiefs = list(cluster.get("chief", []))
        hosts = [*chiefs, *cluster["worker"]]
        number = int(task["index"]) + (len(chiefs) if task["type"] == "worker" else 0)
        if task["type"] not in ("chief", "worker") or not 0 <= number < len(hosts):
            raise ValueError(f"task {task} is none of the {len(hosts)} workers")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}" if text else "it is not set"
        raise TrainingError(f"--strategy multiworker: expected TF_CONFIG such as {example}; {problem}") from error
    return number, len(hosts)
