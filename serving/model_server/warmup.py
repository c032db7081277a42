"""Replays the requests a model carries for its own warm-up, before it answers anybody."""

from itertools import islice
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError

from serving.model_server import metrics
from serving.model_server.errors import ServableError, status_code
from serving.model_server.predict import Answering, predict
from serving.protocol import wire

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(servable: Answering, folder: Path, *, rounds: int = 1) -> int:
    """Runs every recorded request.

    Args:
        servable: the version just loaded.
        folder: its folder; the file is a TFRecord of PredictionLog, and may be missing.
        rounds: how often to run each request.

    Returns:
        The number of requests recorded.

    Raises:
        ServableError: if the file or a request is bad; the version must not be served then.
    """
    path = folder / WARMUP_FILE
    if not path.is_file():
        return 0
    with metrics.warming_up(str(folder)) as counted:
        _replay(servable, path, rounds, counted)
    return counted.records


def _replay(servable: Answering, path: Path, rounds: int, counted: metrics.WarmUp) -> None:
    try:
        for record in islice(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), MAX_RECORDS + 1):
            if counted.records == MAX_RECORDS:
                raise ServableError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}",
                )
            request = _request(record)
            for _ in range(rounds):
                predict(servable, request)
            counted.records += 1
    except tf.errors.DataLossError as error:
        raise ServableError(
            grpc.StatusCode.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from error
    except tf.errors.OpError as error:
        raise ServableError(status_code(error.error_code), error.message) from error


def _request(record: bytes) -> wire.PredictRequest:
    try:
        log = wire.PredictionLog.FromString(record)
    except DecodeError as error:
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, f"Failed to parse warmup record: {error}") from error
    if log.WhichOneof("log_type") != "predict_log":
        raise ServableError(
            grpc.StatusCode.UNIMPLEMENTED, "Unsupported log_type for warmup: only predict_log is replayed"
        )
    request: wire.PredictRequest = log.predict_log.request
    return request
