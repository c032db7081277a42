"""What a signature accepts, and the refusals of TensorFlow Serving when it gets something else.

Checked before TensorFlow sees a request: without a shape assertion in the graph, a tensor of the wrong rank aborts
the whole process (`Check failed: index >= 0`), and a wrong size answers nonsense.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.errors import ServableError
from serving.protocol import tensors, wire

INIT_OP = "__saved_model_init_op"
"""Listed among the signatures by every SavedModel; TensorFlow Serving shows it in the metadata."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: its tensor in the graph, its DataType, its shape (-1 unknown; None any rank)."""

    tensor: str
    dtype: int
    shape: tuple[int, ...] | None

    def __str__(self) -> str:
        return f"{tensors.type_name(self.dtype)} {_shape_text(self.shape)}"

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of its arrays; `object` for strings."""
        return tensors.numpy_dtype(self.dtype)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tells whether an array of this shape may be fed."""
        return self.shape is None or (
            len(self.shape) == len(shape)
            and all(want in (-1, got) for want, got in zip(self.shape, shape, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """One entry point of a model."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: Mapping[str, NDArray[Any]]

    @classmethod
    def from_proto(cls, name: str, proto: wire.SignatureDef) -> "Signature":
        """Reads a SignatureDef."""
        return cls(
            name,
            MappingProxyType({alias: _spec(info) for alias, info in sorted(proto.inputs.items())}),
            MappingProxyType({alias: _spec(info) for alias, info in sorted(proto.outputs.items())}),
            MappingProxyType({alias: tensors.to_array(value) for alias, value in proto.defaults.items()}),
        )

    def check_names(self, given: Collection[str]) -> None:
        """Checks the number of inputs, then their names.

        Raises:
            ServableError: INVALID_ARGUMENT, in TensorFlow Serving's words.
        """
        extra, missing = set(given) - set(self.inputs), set(self.inputs) - set(given)
        if len(given) > len(self.inputs) or (len(given) < len(self.inputs) and not self.defaults):
            raise _invalid(
                f"input size does not match signature: {len(given)}!={len(self.inputs)} len({_names(given)}) != "
                f"len({_names(self.inputs)}). Sent extra: {_names(extra)}. "
                f"Missing but required: {_names(missing - set(self.defaults))}."
            )
        for alias in sorted(missing - set(self.defaults)):
            raise _invalid(
                f"Signature input alias: {alias}(feed name: {self.inputs[alias].tensor}) not found in request and no "
                f"default value provided. Inputs expected to be in the request {_names(given)}, or default input "
                f"alias set: {','.join(sorted(self.defaults))}"
            )
        if extra:
            used = ",".join(sorted(set(given) - extra))
            raise _invalid(
                f"Inputs contains invalid name. Used request inputs: {used}, request input: {','.join(sorted(given))}"
            )

    def choose_outputs(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Gives the output aliases to fetch: the wanted ones, or all when none is named.

        Raises:
            ServableError: INVALID_ARGUMENT for an unknown alias, or one named twice.
        """
        chosen: list[str] = []
        for alias in wanted:
            if alias not in self.outputs:
                raise _invalid(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                    f"{_names(self.outputs)}."
                )
            if alias in chosen:
                raise _invalid(f"duplicate output tensor alias: {alias}")
            chosen.append(alias)
        return tuple(chosen) or tuple(self.outputs)

    def check_values(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Checks dtypes, then shapes; an empty batch is refused, because graphs disagree about it.

        Raises:
            ServableError: INVALID_ARGUMENT, in TensorFlow's words.
        """
        for index, (alias, spec) in enumerate(self.inputs.items()):
            dtype = _data_type(alias, inputs[alias])
            if dtype != spec.dtype:
                raise _invalid(
                    f"Expects arg[{index}] to be {tensors.type_name(spec.dtype)} but "
                    f"{tensors.type_name(dtype)} is provided"
                )
        for index, (alias, spec) in enumerate(self.inputs.items()):
            shape = inputs[alias].shape
            if not spec.fits(shape):
                node, _, port = spec.tensor.partition(":")
                raise _invalid(
                    f"Shape of tensor _arg_{node}_{port or 0}_{index} {_shape_text(shape)} is not compatible with "
                    f"expected shape {_shape_text(spec.shape)}."
                )
            if shape and shape[0] == 0 and spec.shape is not None and spec.shape[0] == -1:
                raise _invalid(f"Input {alias} is an empty batch: {_shape_text(shape)}.")


def _data_type(alias: str, array: NDArray[Any]) -> int:
    try:
        return tensors.data_type(array)
    except tensors.TensorError as error:
        raise _invalid(f"tensor parsing error: {alias}") from error


def _spec(info: wire.TensorInfo) -> TensorSpec:
    return TensorSpec(info.name, info.dtype, tensors.shape_of(info.tensor_shape))


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)


def _names(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _shape_text(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "<unknown>"
    return "[" + ",".join("?" if size < 0 else str(size) for size in shape) + "]"
