"""One tensor out of nested JSON lists, with the checks and words of TensorFlow Serving."""

import base64
import binascii
import json
from typing import Any, Final

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.errors import ServableError
from serving.protocol import tensors

_INTEGERS: Final = {
    **dict.fromkeys(("int32", "int16", "int8", "uint8", "uint16"), (-(2**31), 2**31 - 1)),  # they travel as int32
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_DIGITS: Final = {"half": 11, "float": 24, "double": 53}
_LONGEST_QUOTE: Final = 1024
_MAX_RANK: Final = 63  # NumPy's, without the one that rows are
_JSON_NAMES: Final = {dict: "Object", list: "Array", str: "String", bool: "", int: "Number", float: "Number"}


class TensorReader:
    """Collects values of one shape.

    Args:
        dtype: the DataType of the tensor.
    """

    def __init__(self, dtype: int) -> None:
        self._dtype = dtype
        self._type = tensors.type_name(dtype)
        self._shape: tuple[int, ...] | None = None
        self._values: list[Any] = []
        self._count = 0

    @staticmethod
    def is_base64(value: Any) -> bool:
        """Tells text of any bytes, `{"b64": "..."}`, from other objects."""
        return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)

    def add(self, value: Any) -> None:
        """Takes nested lists, or a single value.

        Raises:
            ServableError: INVALID_ARGUMENT if they are not as regular as a tensor, of another type, or of another
                shape than those before.
        """
        shape = _shape_of(value)
        before = len(self._values)
        self._take(value, shape, 0)
        if self._shape is None:
            self._shape = shape
        elif np.prod(self._shape) != np.prod(shape):
            raise _invalid(f"Expecting tensor size: {before // self._count} but got: {len(self._values) - before}")
        elif self._shape != shape:
            raise _invalid(f"Expecting shape {_bracketed(self._shape)} but got: {_bracketed(shape)}")
        self._count += 1

    def single(self) -> NDArray[Any]:
        """Gives the only value taken."""
        only: NDArray[Any] = np.asarray(self.stacked()[0], tensors.numpy_dtype(self._dtype))
        return only

    def stacked(self) -> NDArray[Any]:
        """Gives the values taken, one below the other."""
        dtype = tensors.numpy_dtype(self._dtype)
        flat: NDArray[Any]
        if self._type in _INTEGERS and self._type != "uint64":
            flat = np.array(self._values, np.int64).astype(dtype)  # wraps, as an int_val does
        elif self._type == "string":
            flat = np.empty(len(self._values), object)
            flat[:] = self._values
        else:
            with np.errstate(over="ignore"):
                flat = np.array(self._values, dtype)
        return flat.reshape(self._count, *(self._shape or ()))

    def _take(self, value: Any, shape: tuple[int, ...], level: int) -> None:
        if not isinstance(value, list):
            if level != len(shape):
                raise _invalid(
                    f"JSON Value: {json_text(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            self._values.append(self._checked(value))
            return
        if level >= len(shape):
            raise _invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        if len(value) != shape[level]:
            raise _invalid(
                f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
            )
        if level + 1 == len(shape) and self._all_numbers(value):
            self._values.extend(value)
            return
        for item in value:
            self._take(item, shape, level + 1)

    def _all_numbers(self, row: list[Any]) -> bool:
        """Tells whether a row can be taken as it is; it saves looking at each of many pixels."""
        if self._type not in _INTEGERS or set(map(type, row)) != {int}:
            return False
        least, most = _INTEGERS[self._type]
        return bool(least <= min(row) and max(row) <= most)

    def _checked(self, value: Any) -> Any:
        kind = self._type
        if kind == "string":
            if isinstance(value, dict):
                return _decode(value)
            if isinstance(value, str):
                return value.encode(errors="surrogatepass")
        elif kind == "bool":
            if isinstance(value, bool):
                return value
        elif kind in _INTEGERS:
            least, most = _INTEGERS[kind]
            if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
                return value
        elif kind in _DIGITS:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return self._without_loss(value)
        else:
            raise ServableError(
                grpc.StatusCode.UNIMPLEMENTED, f"Conversion of JSON Value: {json_text(value)} to type: {kind}"
            )
        raise _invalid(f"JSON Value: {json_text(value)} Type: {_json_name(value)} is not of expected type: {kind}")

    def _without_loss(self, value: float) -> float:
        kind = self._type
        if isinstance(value, int):
            fits = abs(value) < 2 ** _DIGITS[kind]
        else:
            fits = not np.isfinite(value) or abs(value) <= float(np.finfo(tensors.numpy_dtype(self._dtype)).max)
        if not fits:
            raise _invalid(f"Cannot convert JSON value: {json_text(value)} to {kind} without loss of precision.")
        return value


def _shape_of(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _MAX_RANK:
            raise _invalid(f"Expecting a tensor of at most {_MAX_RANK} dimensions but got lists nested deeper")
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _decode(value: dict[str, Any]) -> bytes:
    if not TensorReader.is_base64(value):
        raise _invalid(f"JSON Value: {json_text(value)} not formatted correctly for base64 data")
    text = value["b64"].rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


def _json_name(value: Any) -> str:
    if value is None:
        return "Null"
    return str(value) if isinstance(value, bool) else _JSON_NAMES[type(value)]


def _bracketed(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def json_text(value: Any) -> str:
    """Quotes a value in a message, as TensorFlow Serving does but for the length: a body may be many megabytes."""
    try:
        text = json.dumps(value, indent=4, ensure_ascii=False)
    except RecursionError:  # the parser takes lists nested a little deeper than the printer
        return "..."
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)
