"""Makes a version that can be served out of its folder: loads it, warms it up."""

import logging
import time
from pathlib import Path

import grpc

from serving.model_server import metrics
from serving.model_server.batched_servable import BatchedServable
from serving.model_server.batching import BatchScheduler
from serving.model_server.batching_parameters import PER_MODEL_FILE, BatchingOptions
from serving.model_server.config_files import read_text_proto
from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.flags import Settings
from serving.model_server.predict import Answering
from serving.model_server.servable import Servable
from serving.model_server.warmup import warm_up
from serving.protocol import wire

_log = logging.getLogger(__name__)


class Loader:
    """Loads the versions of all models of one server.

    Args:
        settings: the flags.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scheduler: BatchScheduler | None = None
        if settings.enable_batching:
            self._scheduler = BatchScheduler(settings.batching.num_batch_threads, settings.batching.thread_pool_name)

    def load(self, name: str, number: int, folder: Path) -> Answering:
        """Loads and warms up one version.

        Args:
            name: the model's name.
            number: the version's number.
            folder: where it is.

        Raises:
            ServableError: if it cannot be loaded, or one of its own warm-up requests fails.
        """
        started = time.monotonic()
        servable = self._open(name, number, folder)
        warmed = 0
        if self._settings.enable_model_warmup:
            try:
                warmed = warm_up(servable, folder, rounds=self._settings.num_request_iterations_for_warmup)
            except ServableError:
                servable.close()
                raise
        _log.info("loaded %s version %d in %.1f s", name, number, time.monotonic() - started)
        if warmed:
            _log.info("warmed %s version %d with %d requests", name, number, warmed)
        return servable

    def _open(self, name: str, number: int, folder: Path) -> Answering:
        batching = self._batching(folder)
        with metrics.loading(str(folder)):
            servable = Servable.load(
                folder,
                name,
                number,
                intra_op_threads=self._settings.intra_op_threads,
                inter_op_threads=self._settings.inter_op_threads,
            )
        if self._scheduler is None or batching is None:
            return servable
        return BatchedServable(servable, self._scheduler, batching)

    def _batching(self, folder: Path) -> BatchingOptions | None:
        """Tells how to batch the requests of a version; None for not at all."""
        if not self._settings.enable_per_model_batching_parameters:
            return self._settings.batching
        file = folder / PER_MODEL_FILE
        if not file.is_file():
            return None
        try:
            return BatchingOptions.from_proto(read_text_proto(PER_MODEL_FILE, file, wire.BatchingParameters))
        except ConfigurationError as error:
            raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
