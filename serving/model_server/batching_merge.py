"""Many requests into one batch, and its answer back into many: TensorFlow Serving's rules and refusals.

As there, what is wrong with one request of a batch is answered to every request of it. Being kinder would hide from
a client's tests that it has to send a refused request again alone, as it must in production.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ServableError

Arrays: TypeAlias = dict[str, NDArray[Any]]

_MOST_DIMENSIONS_TO_PAD = 6


def count_rows(inputs: Mapping[str, NDArray[Any]]) -> int:
    """Gives the number of rows of a request.

    Raises:
        ServableError: INVALID_ARGUMENT if its inputs do not agree on one.
    """
    if not inputs:
        raise _invalid("Batching Run() must have at least one input tensor")
    rows = -1
    for array in inputs.values():
        if not array.ndim:
            raise _invalid("Batching Run() input tensors must have at least one dimension")
        if rows not in (-1, array.shape[0]):
            raise _invalid("Batching Run() input tensors must have equal 0th-dimension size")
        rows = array.shape[0]
    return rows


def merge(
    requests: Sequence[Mapping[str, NDArray[Any]]], tensors: Mapping[str, str], options: BatchingOptions
) -> Arrays:
    """Puts requests one after the other, and pads the batch to an allowed size with copies of a row.

    Args:
        requests: the inputs of each, rows first.
        tensors: the names of the inputs in the graph, for the messages.
        options: the allowed sizes, and whether shapes may differ.

    Raises:
        ServableError: FAILED_PRECONDITION if shapes differ and may not.
    """
    merged: Arrays = {}
    for alias, tensor in tensors.items():
        pieces = [request[alias] for request in requests]
        if any(piece.shape[1:] != pieces[0].shape[1:] for piece in pieces):
            if not options.pad_variable_length_inputs:
                raise _failed(
                    # The missing blanks are TensorFlow Serving's.
                    f"Tensors with name '{tensor}' from different tasks have different shapes and padding is turned "
                    "off.Set pad_variable_length_inputs to true, or ensure that all tensors with the same namehave "
                    "equal dimensions starting with the first dim."
                )
            pieces = _same_shape(pieces)
        rows = sum(len(piece) for piece in pieces)
        missing = options.padded(rows) - rows
        if missing:
            pieces.append(np.repeat(pieces[-1][:1], missing, axis=0))
        merged[alias] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return merged


def split(outputs: Mapping[str, NDArray[Any]], sizes: Sequence[int], total: int) -> list[Arrays]:
    """Cuts the answer of a batch into the rows of each request; what was padding is left over.

    Args:
        outputs: the answer.
        sizes: rows of each request.
        total: rows of the batch, padding included.

    Raises:
        ServableError: FAILED_PRECONDITION if an output has no row for each row of the batch.
    """
    for array in outputs.values():
        if not array.ndim:
            raise _failed("Batched output tensor has 0 dimensions")
        if array.shape[0] != total:
            raise _failed(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                "input tensors"
            )
    parts, start = [], 0
    for size in sizes:
        parts.append({alias: array[start : start + size] for alias, array in outputs.items()})
        start += size
    return parts


def _same_shape(pieces: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Pads every dimension but the first to the largest, with the first value of each piece."""
    rank = pieces[0].ndim
    if any(piece.ndim != rank for piece in pieces):
        raise _invalid("Batching Run() input tensors must have equal ranks to be padded")
    if rank > _MOST_DIMENSIONS_TO_PAD:
        raise _invalid("Only tensors with rank from 1 to 6 can be padded.")
    largest = [max(piece.shape[axis] for piece in pieces) for axis in range(1, rank)]
    padded = []
    for piece in pieces:
        shape = (len(piece), *largest)
        if piece.shape != shape:
            if not piece.size:
                raise _invalid("Got empty tensor in batch of non-empty tensors.")
            whole = np.full(shape, piece.flat[0], piece.dtype)
            whole[tuple(slice(size) for size in piece.shape)] = piece
            piece = whole
        padded.append(piece)
    return padded


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _failed(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.FAILED_PRECONDITION, message)
