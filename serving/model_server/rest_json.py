"""The JSON of TensorFlow Serving's `:predict`: rows (`instances`, `predictions`) and columns (`inputs`, `outputs`).

A response of one output is not named. Text of an output whose name ends in `_bytes` is base64, `{"b64": "..."}`, as
is text that is no UTF-8 (which TensorFlow Serving would send as it is, and no client could read). NaN and Infinity
are written as such in both directions.
"""

import base64
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.errors import ServableError
from serving.model_server.rest_tensor import TensorReader, json_text
from serving.model_server.signatures import Signature, TensorSpec


class Layout(Enum):
    """By row, or by column."""

    ROW = "predictions"
    COLUMN = "outputs"


class Body(NamedTuple):
    """What a request holds before its model is known."""

    content: dict[str, Any]
    signature_name: str


def read_body(body: bytes) -> Body:
    """Reads a request as far as it needs no model.

    Raises:
        ServableError: INVALID_ARGUMENT if it is not JSON, or not an object.
    """
    if not body:
        raise _invalid("JSON Parse error: The document is empty")
    try:
        content = json.loads(body)
    except json.JSONDecodeError as error:
        raise _invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(content, dict):
        raise _invalid(f"JSON Value: {json_text(content)} Is not object")
    name = content.get("signature_name", "")
    if not isinstance(name, str):
        raise _invalid(
            f"JSON Value: {json_text(content)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return Body(content, name)


def read_inputs(body: Body, signature: Signature) -> tuple[dict[str, NDArray[Any]], Layout]:
    """Reads the inputs of a signature.

    Raises:
        ServableError: INVALID_ARGUMENT, in TensorFlow Serving's words.
    """
    content = body.content
    if not signature.inputs:
        raise _invalid(f"Failed to get input map for signature: {body.signature_name or 'DEFAULT'}")
    if "instances" in content and "inputs" in content:
        raise _invalid(
            f"JSON Value: {json_text(content)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in content:
        instances = content["instances"]
        if not isinstance(instances, list):
            raise _invalid(f"JSON Value: {json_text(content)} Excepting 'instances' to be an list/array")
        if not instances:
            raise _invalid(f"JSON Value: {json_text(content)} No values in 'instances' array")
        return _read_rows(instances, signature.inputs), Layout.ROW
    if "inputs" in content:
        return _read_columns(content["inputs"], signature), Layout.COLUMN
    raise _invalid("Missing 'inputs' or 'instances' key")


def write_outputs(outputs: Mapping[str, NDArray[Any]], layout: Layout) -> bytes:
    """Writes an answer.

    Raises:
        ServableError: INVALID_ARGUMENT if an output has no rows, or no JSON.
    """
    if layout is Layout.ROW:
        _check_rows(outputs)
    values = {name: _plain(name, array) for name, array in sorted(outputs.items())}
    answer: Any
    if len(values) == 1:
        (answer,) = values.values()
    elif layout is Layout.COLUMN:
        answer = values
    else:
        answer = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return json.dumps({layout.value: answer}, ensure_ascii=False).encode()


def _read_rows(instances: list[Any], specs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
    if not isinstance(instances[0], dict) and len(specs) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    readers = {name: TensorReader(spec.dtype) for name, spec in specs.items()}
    named = _is_named(instances[0])
    only = next(iter(specs))
    for number, instance in enumerate(instances):
        if _is_named(instance) != named:
            raise _invalid(
                f"Expecting object but got list at item {number} of input list"
                if named
                else f"Expecting value/list but got object at item {number} of input list"
            )
        for name, value in instance.items() if named else [(only, instance)]:
            where = f"element: {number} key: {name}" if named else f"element: {number}"
            if name not in readers:
                raise _in_element(where, f"JSON object: does not have named input: {name}")
            try:
                readers[name].add(value)
            except ServableError as error:
                raise _in_element(where, error.message) from error
        if named and instance.keys() != specs.keys():
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {json_text(instance)} keys "
                f"must be equal to: {','.join(sorted(specs))}"
            )
    return {name: reader.stacked() for name, reader in readers.items()}


def _read_columns(value: Any, signature: Signature) -> dict[str, NDArray[Any]]:
    specs = signature.inputs
    if not _is_named(value):
        if len(specs) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        value = {next(iter(specs)): value}
    inputs = {}
    for name, spec in specs.items():
        if name not in value:
            if name in signature.defaults:
                continue
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        reader = TensorReader(spec.dtype)
        reader.add(value[name])
        inputs[name] = reader.single()
    return inputs


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not TensorReader.is_base64(value)


def _check_rows(outputs: Mapping[str, NDArray[Any]]) -> None:
    rows = -1
    for name, array in outputs.items():
        if not array.ndim:
            raise _invalid(f"Tensor name: {name} has no shape information ")
        if rows not in (-1, len(array)):
            raise _invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)


def _plain(name: str, array: NDArray[Any]) -> Any:
    if array.dtype.kind == "O":
        return _plain_text(array.tolist(), as_bytes=name.endswith("_bytes"))
    if array.dtype.kind == "c":
        raise _invalid(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        # By way of text: the float nearest to 0.2 is 0.2 there, and 0.20000000298023224 as a double.
        return array.astype(np.float32).astype(str).astype(np.float64).tolist()
    return array.tolist()


def _plain_text(value: Any, *, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_plain_text(item, as_bytes=as_bytes) for item in value]
    if not as_bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode()}


def _in_element(where: str, message: str) -> ServableError:
    return _invalid(f"Failed to process {where} of 'instances' list. Error: INVALID_ARGUMENT: {message}")


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)
