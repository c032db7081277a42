"""NumPy arrays to TensorProto and back, by the rules of TensorFlow's own parser, without TensorFlow."""

from collections.abc import Sequence
from math import prod
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.errors import SnowmodeError
from serving.protocol import wire

MAX_TENSOR_BYTES: Final = 2**31
"""A message of 20 bytes can ask for a tensor of any size; beyond this many bytes it is not believed."""


_MAX_RANK: Final = 64  # NumPy's


class TensorError(SnowmodeError):
    """A TensorProto does not describe a tensor, or an array has no TensorProto."""


class _Type(NamedTuple):
    name: str  # as TensorFlow's messages spell it
    dtype: np.dtype[Any]
    field: str  # the repeated field its values travel in
    stored: np.dtype[Any]  # what one entry of that field is


def _type(name: str, dtype: str, field: str, stored: str) -> _Type:
    return _Type(name, np.dtype(dtype), field, np.dtype(stored))


_STRING: Final = wire.DataType.DT_STRING
_TYPES: Final = MappingProxyType(
    {
        wire.DataType.DT_FLOAT: _type("float", "<f4", "float_val", "<f4"),
        wire.DataType.DT_DOUBLE: _type("double", "<f8", "double_val", "<f8"),
        wire.DataType.DT_INT32: _type("int32", "<i4", "int_val", "<i4"),
        wire.DataType.DT_UINT8: _type("uint8", "u1", "int_val", "<i4"),
        wire.DataType.DT_INT16: _type("int16", "<i2", "int_val", "<i4"),
        wire.DataType.DT_INT8: _type("int8", "i1", "int_val", "<i4"),
        wire.DataType.DT_STRING: _type("string", "O", "string_val", "O"),
        wire.DataType.DT_COMPLEX64: _type("complex64", "<c8", "scomplex_val", "<f4"),
        wire.DataType.DT_INT64: _type("int64", "<i8", "int64_val", "<i8"),
        wire.DataType.DT_BOOL: _type("bool", "?", "bool_val", "?"),
        wire.DataType.DT_UINT16: _type("uint16", "<u2", "int_val", "<i4"),
        wire.DataType.DT_COMPLEX128: _type("complex128", "<c16", "dcomplex_val", "<f8"),
        wire.DataType.DT_HALF: _type("half", "<f2", "half_val", "<i4"),
        wire.DataType.DT_UINT32: _type("uint32", "<u4", "uint32_val", "<u4"),
        wire.DataType.DT_UINT64: _type("uint64", "<u8", "uint64_val", "<u8"),
    }
)
_ENUMS: Final = MappingProxyType({entry.dtype: number for number, entry in _TYPES.items()})


def type_name(dtype: int) -> str:
    """Names a DataType as TensorFlow's own messages do: `float`, `uint8`, `string`."""
    if dtype in _TYPES:
        return _TYPES[dtype].name
    if dtype in wire.DataType.values():
        return str(wire.DataType.Name(dtype)).removeprefix("DT_").lower()
    return f"unknown dtype enum ({dtype})"


def numpy_dtype(dtype: int) -> np.dtype[Any]:
    """Gives the NumPy dtype of a DataType; strings are `object`.

    Raises:
        TensorError: if NumPy has no such type.
    """
    if dtype not in _TYPES:
        raise TensorError(f"{type_name(dtype)} has no NumPy type")
    return _TYPES[dtype].dtype


def data_type(array: NDArray[Any]) -> int:
    """Gives the DataType of an array; `object`, `str` and `bytes` arrays are strings.

    Raises:
        TensorError: if no tensor has such values.
    """
    if array.dtype.kind in "OSU":
        return int(_STRING)
    number = _ENUMS.get(array.dtype.newbyteorder("<"))
    if number is None:
        raise TensorError(f"an array of {array.dtype} is not a tensor")
    return int(number)


def shape_of(shape: wire.TensorShapeProto) -> tuple[int, ...] | None:
    """Reads a shape: -1 is an unknown dimension, None an unknown rank."""
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def to_tensor_proto(array: ArrayLike, *, as_content: bool = True) -> wire.TensorProto:
    """Packs an array: numbers in `tensor_content`, strings in `string_val`.

    Args:
        array: numbers, booleans, `bytes`, or `str` (sent as UTF-8). Dtype `S` drops trailing zero
            bytes; keep such strings in an `object` array.
        as_content: False packs numbers in the `*_val` field of their type, which is slow to read.

    Raises:
        TensorError: if no tensor has such values.
    """
    values = np.asarray(array)
    number = data_type(values)
    proto = wire.TensorProto(dtype=number)
    for size in values.shape:
        proto.tensor_shape.dim.add(size=size)
    if number == _STRING:
        proto.string_val.extend(_as_bytes(value) for value in values.ravel().tolist())
    elif not as_content:
        entry = _TYPES[number]
        getattr(proto, entry.field).extend(_as_stored(values.ravel(), entry).tolist())
    else:
        proto.tensor_content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return proto


def to_array(proto: wire.TensorProto) -> NDArray[Any]:
    """Unpacks a TensorProto exactly as TensorFlow does.

    The result may be read-only and may share its memory with the message.

    Raises:
        TensorError: if the message does not describe a tensor, or one larger than `MAX_TENSOR_BYTES`.
    """
    entry = _TYPES.get(proto.dtype)
    if entry is None:
        raise TensorError(f"a tensor of {type_name(proto.dtype)} cannot be read")
    shape = _checked_shape(proto.tensor_shape, entry.dtype.itemsize)
    count = prod(shape)
    if count == 0:
        return np.zeros(shape, entry.dtype)
    content = proto.tensor_content
    if not content:
        return _spread(getattr(proto, entry.field), entry, shape)
    if proto.dtype == _STRING:
        return _object_array(_split_strings(content, count)).reshape(shape)
    needed = count * entry.dtype.itemsize
    if len(content) != needed:
        raise TensorError(f"tensor_content has {len(content)} bytes; {entry.name} {list(shape)} needs {needed}")
    return np.frombuffer(content, entry.dtype).reshape(shape)


def _checked_shape(proto: wire.TensorShapeProto, itemsize: int) -> tuple[int, ...]:
    shape = shape_of(proto)
    if shape is None or any(size < 0 for size in shape):
        raise TensorError("a tensor with data cannot have an unknown dimension")
    if len(shape) > _MAX_RANK:
        raise TensorError(f"rank {len(shape)} is more than an array can have")
    # Zeros are left out: [0, 2**62] holds nothing, and still overflows whoever multiplies it.
    if prod(size for size in shape if size) * itemsize > MAX_TENSOR_BYTES:
        raise TensorError(f"shape {list(shape)} is more than {MAX_TENSOR_BYTES} bytes")
    return shape


def _spread(values: Sequence[Any], entry: _Type, shape: tuple[int, ...]) -> NDArray[Any]:
    """Reads a `*_val` field: too many values are cut, the last of too few is repeated, none are zeros."""
    count = prod(shape)
    if entry.name == "string":
        given = _object_array(values[:count])
        nothing: Any = b""
    else:
        per_item = 2 if entry.dtype.kind == "c" else 1
        whole = min(len(values) // per_item, count) * per_item
        given = _as_dtype(np.array(values[:whole], entry.stored), entry)
        nothing = 0
    if len(given) == count:
        return given.reshape(shape)
    result = np.full(count, given[-1] if len(given) else nothing, entry.dtype)
    result[: len(given)] = given
    return result.reshape(shape)


def _as_dtype(stored: NDArray[Any], entry: _Type) -> NDArray[Any]:
    if entry.dtype.kind == "c":
        return stored.view(entry.dtype)
    if entry.name == "half":
        return stored.astype("<u2").view(entry.dtype)
    return stored.astype(entry.dtype, copy=False)  # integers wrap, as in C


def _as_stored(values: NDArray[Any], entry: _Type) -> NDArray[Any]:
    if entry.dtype.kind == "c":
        return values.astype(entry.dtype).view(entry.stored)
    if entry.name == "half":
        return values.astype(entry.dtype).view("<u2")
    return values.astype(entry.stored)


def _object_array(values: Sequence[bytes]) -> NDArray[Any]:
    result = np.empty(len(values), object)
    result[:] = values
    return result


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TensorError(f"{value!r} is neither text nor bytes; an array of objects must hold strings")


def _split_strings(content: bytes, count: int) -> list[bytes]:
    """Cuts strings packed as `count` varint lengths followed by all their bytes."""
    lengths: list[int] = []
    position = 0
    for _ in range(count):
        length = shift = 0
        while True:
            if position >= len(content) or shift > 28:
                raise TensorError(f"tensor_content does not hold the lengths of {count} strings")
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise TensorError(
            f"tensor_content has {len(content)} bytes; its {count} strings need {position + sum(lengths)}"
        )
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings
