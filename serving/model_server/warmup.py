"""Replays the requests a model carries for its own warm-up, before it answers anybody."""

from itertools import islice
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError

from serving.model_server.errors import ServableError, status_code
from serving.model_server.predict import predict
from serving.model_server.servable import Servable
from serving.protocol import wire

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(servable: Servable, folder: Path) -> int:
    """Runs every recorded request once.

    Args:
        servable: the version just loaded.
        folder: its folder; the file is a TFRecord of PredictionLog, and may be missing.

    Returns:
        The number of requests run.

    Raises:
        ServableError: if the file or a request is bad; the version must not be served then.
    """
    path = folder / WARMUP_FILE
    if not path.is_file():
        return 0
    count = 0
    try:
        for record in islice(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), MAX_RECORDS + 1):
            if count == MAX_RECORDS:
                raise ServableError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}",
                )
            predict(servable, _request(record))
            count += 1
    except tf.errors.DataLossError as error:
        raise ServableError(
            grpc.StatusCode.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from error
    except tf.errors.OpError as error:
        raise ServableError(status_code(error.error_code), error.message) from error
    return count


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
