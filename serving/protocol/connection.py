"""The connection to a model server: TensorFlow Serving or the embedded one, it makes no difference.

One channel, reused. Transient failures (UNAVAILABLE) are retried inside gRPC; what remains arrives as one of
three exceptions (`serving.protocol.errors`), whose texts say what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from serving.protocol import contract, wire
from serving.protocol.channel import no_server, open_channel, shorten
from serving.protocol.contract import ModelCard
from serving.protocol.errors import ContractError, RequestRefused, ServerError, ServerUnavailable, VersionMissing
from serving.protocol.priority import HEADER, Priority
from serving.protocol.tensors import TensorError, to_array, to_tensor_proto
from serving.protocol.tls import Tls

DEFAULT_TARGET = "localhost:8500"

Arrays = dict[str, NDArray[Any]]

_REFUSED = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "INTERNAL", "UNKNOWN", "DATA_LOSS"}
_LATER = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds. The server takes a request's deadline as the time it may run."""

    describe: float = 10.0
    predict: float = 60.0


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a server says it hosts: the card, and the version that gave it."""

    card: ModelCard
    version: int


class Connection:
    """Calls the signatures of one model.

    Args:
        target: ``host:port``, or another gRPC target such as ``unix:/run/serving.sock``.
        model: Name of the servable.
        version: Version to ask for; None takes the newest.
        label: Label of the version to ask for (``"canary"``), where no number is given.
        priority: Whose requests these are: a person or a forecast waits for live ones; bulk ones let others go first.
        timeouts: Deadlines.
        tls: See `serving.protocol.channel.open_channel`.
        retry: See there.

    Example:
        >>> with Connection("localhost:8500") as connection:  # doctest: +SKIP
        ...     model = connection.describe()
        ...     answer = connection.call("explain", images, version=model.version)
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        model: str = contract.MODEL_NAME,
        version: int | None = None,
        label: str = "",
        priority: Priority = Priority.LIVE,
        timeouts: Timeouts | None = None,
        tls: Tls | None = None,
        retry: bool = True,
    ) -> None:
        self.target = target
        self.model = model
        self.version = version
        self.label = label
        self._metadata = ((HEADER, str(priority)),)
        self.timeouts = timeouts or Timeouts()
        self._channel = open_channel(target, tls=tls, retry=retry)
        self._predict = self._channel.unary_unary(
            wire.PREDICT,
            request_serializer=wire.PredictRequest.SerializeToString,
            response_deserializer=wire.PredictResponse.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel; calls in flight are cancelled."""
        self._channel.close()

    def describe(self) -> ServedModel:
        """Asks the model what it is.

        Raises:
            ServerUnavailable: No server answers.
            ContractError: A server answers, but its model does not keep the contract.
        """
        query = np.zeros(1, np.int32)
        future = self._send(contract.DESCRIBE, {contract.QUERY: query}, (), self.timeouts.describe)
        try:
            answer, version = self._receive(future)
        except RequestRefused as error:
            if self.label and self.version is None:
                raise  # no such label, and the server says so
            raise ContractError(
                f"The server at {self.target} hosts a model {self.model!r} that cannot describe itself "
                f"({error.code}: {shorten(future.details())}). Expected: a SavedModel with the signature "
                f"{contract.DESCRIBE!r}, as `training run` publishes it."
            ) from error
        try:
            text = bytes(answer[contract.MODEL_CARD][0])
            return ServedModel(ModelCard.model_validate_json(text), version)
        except (KeyError, IndexError, TypeError, ValidationError) as error:
            reason = _first_line(error)
            raise ContractError(
                f"The model {self.model!r} at {self.target} has a card this client cannot use: {reason}. "
                f"Expected: contract version {contract.CONTRACT_VERSION}."
            ) from error

    def call(self, signature: str, images: NDArray[np.uint8], *, outputs: Sequence[str] = ()) -> Arrays:
        """Runs one signature on a batch and waits for the answer.

        Args:
            signature: For example ``"explain"``.
            images: uint8 RGB, shape (N, H, W, 3), N >= 1.
            outputs: Names of the outputs wanted; empty asks for all.

        Returns:
            The outputs by name, first dimension N.

        Raises:
            ServerUnavailable: Worth another try.
            VersionMissing: So is this where several servers share the work and change their version.
            RequestRefused: The server says the request is bad.
            ContractError: The answer has another shape than the contract says, or is of another version.
        """
        return self.result(self.send(signature, images, outputs=outputs), signature, len(images), outputs)

    def send(
        self,
        signature: str,
        images: NDArray[np.uint8],
        *,
        outputs: Sequence[str] = (),
        done: Callable[[], None] | None = None,
    ) -> Any:
        """Sends a batch without waiting.

        Args:
            signature: See `call`.
            images: See `call`.
            outputs: See `call`.
            done: Called from another thread when the answer or an error is there.

        Returns:
            A handle for `result`.
        """
        future = self._send(signature, {contract.IMAGES: images}, outputs, self.timeouts.predict)
        if done is not None:
            future.add_done_callback(lambda _: done())
        return future

    def result(self, handle: Any, signature: str, count: int, outputs: Sequence[str] = ()) -> Arrays:
        """Waits for what `send` started; raises like `call`."""
        answer, version = self._receive(handle)
        if self.version is not None and version != self.version:
            # Whatever stands between may answer for another one, and results would be those of nobody knows which.
            raise ContractError(
                f"{signature}: expected an answer of version {self.version} of {self.model!r}, received one of "
                f"version {version} from {self.target}"
            )
        for name in outputs or contract.OUTPUTS[signature]:
            shape = answer[name].shape if name in answer else None
            if shape is None or shape[:1] != (count,):
                raise ContractError(
                    f"{signature}: expected {name!r} with first dimension {count}, received "
                    f"{'nothing of that name' if shape is None else f'shape {shape}'}"
                )
        return answer

    def _send(
        self, signature: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout: float
    ) -> Any:
        spec = wire.ModelSpec(name=self.model, signature_name=signature)
        if self.version is not None:
            spec.version.value = self.version
        elif self.label:
            spec.version_label = self.label
        request = wire.PredictRequest(model_spec=spec, output_filter=outputs)
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_tensor_proto(array))
        return self._predict.future(request, timeout=timeout, metadata=self._metadata)

    def _receive(self, future: Any) -> tuple[Arrays, int]:
        try:
            response = future.result()
        except grpc.RpcError as error:
            raise self._translate(error) from error
        except grpc.FutureCancelledError as error:
            raise ServerUnavailable(
                f"The call to {self.target} was cancelled", code="CANCELLED", target=self.target
            ) from error
        try:
            arrays = {name: to_array(proto) for name, proto in response.outputs.items()}
        except TensorError as error:
            raise ContractError(f"The server at {self.target} sent an unreadable tensor: {error}") from error
        return arrays, int(response.model_spec.version.value)

    def _translate(self, error: Any) -> ServerError:
        code, details = error.code().name, (error.details() or "").strip().rpartition("last error: ")[2]
        if code == "UNAVAILABLE":
            return no_server(self.target, details, code)
        if code in _LATER:
            return ServerUnavailable(
                f"The server at {self.target} is overloaded or too slow ({code}: {shorten(details)})",
                code=code,
                target=self.target,
            )
        if code in _REFUSED:
            return RequestRefused(
                f"The server at {self.target} refuses the request ({code}: {shorten(details)})",
                code=code,
                target=self.target,
            )
        wanted = self.model
        if self.version is not None or self.label:
            wanted += f" version {self.label if self.version is None else self.version}"
        hint, kind = "", ServerError
        if code == "NOT_FOUND" and self.version is None:
            hint = f". Is {wanted!r} the model it hosts? See --model"
        elif code == "NOT_FOUND":
            hint, kind = ". It may have moved on to a newer version; one run keeps to one version", VersionMissing
        return kind(
            f"The server at {self.target} cannot serve {wanted!r} ({code}: {shorten(details)}){hint}",
            code=code,
            target=self.target,
        )


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'card'}: {first['msg']}"
    return f"{type(error).__name__}: {error}"
