"""A version of a model whose requests run in batches."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from serving.model_server import metrics
from serving.model_server.batching import BatchQueue, BatchScheduler
from serving.model_server.batching_merge import Arrays, merge, split
from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.servable import Servable
from serving.model_server.signatures import Signature
from serving.protocol.priority import Priority


class BatchedServable:
    """Answers as the `Servable` inside, with the rules of batching on top.

    Args:
        servable: the version.
        scheduler: whose threads run the batches.
        options: their sizes and times.
    """

    def __init__(self, servable: Servable, scheduler: BatchScheduler, options: BatchingOptions) -> None:
        self.name = servable.name
        self.version = servable.version
        self.signatures = servable.signatures
        self.signature_defs = servable.signature_defs
        self._servable = servable
        self._scheduler = scheduler
        self._options = options
        self._lock = threading.Lock()
        self._queues: dict[tuple[str, frozenset[str]], BatchQueue] = {}

    def signature(self, name: str) -> Signature:
        """Finds a signature; see `Servable.signature`."""
        return self._servable.signature(name)

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
        priority: Priority = Priority.LIVE,
    ) -> Arrays:
        """Runs one signature, together with other requests; see `Servable.run`.

        Raises:
            ServableError: see `Servable.run` and `BatchQueue.run`.
        """
        signature, aliases, fed = self._servable.check(signature_name, inputs, outputs)
        answer = self._queue(signature, aliases).run(fed, timeout=timeout, priority=priority)
        return {alias: answer[alias] for alias in aliases}

    def close(self) -> None:
        """Frees the model; nobody may run it any more."""
        for queue in self._queues.values():
            self._scheduler.remove_queue(queue)
        self._servable.close()

    def _queue(self, signature: Signature, aliases: Sequence[str]) -> BatchQueue:
        key = signature.name, frozenset(aliases)
        with self._lock:
            if key not in self._queues:
                self._queues[key] = self._scheduler.add_queue(
                    self._options,
                    lambda requests, timeout: self._process(signature, aliases, requests, timeout),
                    metrics.queue_depth(self.name, self.version, signature.name),
                )
            return self._queues[key]

    def _process(
        self,
        signature: Signature,
        aliases: Sequence[str],
        requests: Sequence[Mapping[str, NDArray[Any]]],
        timeout: float | None,
    ) -> Sequence[Arrays]:
        tensors = {alias: spec.tensor for alias, spec in signature.inputs.items()}
        sizes = [len(next(iter(request.values()))) for request in requests]
        rows = sum(sizes)
        total = self._options.padded(rows)
        metrics.note_batch(rows, total)
        fed = merge(requests, tensors, self._options)
        return split(self._servable.execute(signature, aliases, fed, timeout=timeout), sizes, total)
