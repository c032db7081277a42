"""One loaded version of a model, run the way TensorFlow Serving runs it: a graph in a TF1 `Session`.

`tf.saved_model.load` would accept models that TensorFlow Serving cannot load, and it has no `output_filter`.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server import metrics
from serving.model_server.batching_merge import Arrays
from serving.model_server.errors import ServableError, status_code
from serving.model_server.signatures import INIT_OP, Signature
from serving.protocol import wire
from serving.protocol.priority import Priority

# Read once, when TensorFlow is imported. Errors too where there is no GPU: "failed call to cuInit" frightens people,
# and whatever is wrong with a model comes back as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if Path("/dev/nvidiactl").exists() else "3")

import tensorflow as tf

# "Use tf.saved_model.load instead" is what this module must not do.
tf.get_logger().addFilter(lambda record: "saved_model.loader_impl" not in record.getMessage())

_TAGS = ["serve"]
_LONGEST_SECONDS = 1e6  # TensorFlow counts milliseconds in an int32 somewhere; clients without a deadline send more


class Servable:
    """One version of a model; any number of threads may run it at a time.

    Attributes:
        name: the model's name.
        version: the version's number.
        signatures: its entry points by name.
        signature_defs: the same as the metadata call answers it.
    """

    def __init__(self, name: str, version: int, session: Any, signature_defs: wire.SignatureDefMap) -> None:
        self.name = name
        self.version = version
        self.signature_defs = signature_defs
        self.signatures: Mapping[str, Signature] = MappingProxyType(
            {
                key: Signature.from_proto(key, proto)
                for key, proto in sorted(signature_defs.signature_def.items())
                if key != INIT_OP
            }
        )
        self._session = session
        # Every run in flight keeps its own activations (100 MB for 341 frames of 32x32 in `nakai2022`), and touching
        # them for the first time is dear: on 2 cores one caller took 0.33 ms CPU a frame, a second one 0.53 to 0.72
        # in its first seconds (3,400 page faults a call), and the same 0.33 from then on. More runs than cores
        # only add to that.
        self._turns = threading.BoundedSemaphore(os.cpu_count() or 1)

    @classmethod
    def load(
        cls,
        path: Path,
        name: str = "snowmode",
        version: int | None = None,
        *,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
    ) -> Self:
        """Loads a SavedModel.

        Args:
            path: the version's folder.
            name: the model's name.
            version: the version's number; by default the folder's name, 0 if that is none.
            intra_op_threads: threads inside one operation; 0 lets TensorFlow choose. The first model loaded in a
                process decides for all.
            inter_op_threads: operations at a time; likewise.

        Raises:
            ServableError: if it cannot be loaded.
        """
        if version is None:
            version = int(path.name) if path.name.isdecimal() else 0
        session = tf.compat.v1.Session(
            graph=tf.Graph(),
            config=tf.compat.v1.ConfigProto(
                intra_op_parallelism_threads=intra_op_threads, inter_op_parallelism_threads=inter_op_threads
            ),
        )
        try:
            with session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(session, _TAGS, str(path))
            session.graph.finalize()  # from here on threads only read it
            signature_defs = wire.SignatureDefMap()
            for key, proto in meta_graph.signature_def.items():
                signature_defs.signature_def[key].ParseFromString(proto.SerializeToString())
            return cls(name, version, session, signature_defs)
        except tf.errors.OpError as error:
            session.close()
            raise _refused(error) from error
        except Exception as error:  # whatever a damaged file makes of the loader, the server outlives it
            session.close()
            raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, f"{type(error).__name__}: {error}") from error

    def signature(self, name: str) -> Signature:
        """Finds a signature; an empty name means `serving_default`.

        Raises:
            ServableError: FAILED_PRECONDITION if the model has none of that name.
        """
        name = name or "serving_default"
        found = self.signatures.get(name)
        if found is None:
            raise ServableError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return found

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
        priority: Priority = Priority.LIVE,
    ) -> Arrays:
        """Runs one signature.

        Args:
            signature_name: which; empty means `serving_default`.
            inputs: an array for each input of the signature.
            outputs: the outputs wanted; all by default.
            timeout: seconds the run may take.
            priority: makes no difference without batching, as there is no queue to go ahead in.

        Returns:
            An array for each output; strings as `object` arrays of `bytes`.

        Raises:
            ServableError: with the code and words of TensorFlow Serving.
        """
        signature, aliases, fed = self.check(signature_name, inputs, outputs)
        with self._turn(timeout) as left:
            return self.execute(signature, aliases, fed, timeout=left)

    def check(
        self, signature_name: str, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None
    ) -> tuple[Signature, tuple[str, ...], Arrays]:
        """Checks what `run` gets; tells the signature, the outputs to fetch, and the inputs with their defaults.

        Raises:
            ServableError: see `run`.
        """
        signature = self.signature(signature_name)
        signature.check_names(inputs)
        aliases = signature.choose_outputs(outputs or ())
        fed = {**signature.defaults, **inputs}
        signature.check_values(fed)
        return signature, aliases, fed

    def execute(
        self, signature: Signature, aliases: Sequence[str], fed: Mapping[str, NDArray[Any]], *, timeout: float | None
    ) -> Arrays:
        """Runs what `check` let pass, at once.

        Args:
            signature: the entry point.
            aliases: the outputs to fetch.
            fed: an array for each input.
            timeout: seconds the run may take.

        Raises:
            ServableError: see `run`.
        """
        options = None
        if timeout is not None:
            milliseconds = int(1000 * min(timeout, _LONGEST_SECONDS))
            if milliseconds <= 0:  # which would be no limit at all
                raise _late()
            options = tf.compat.v1.RunOptions(timeout_in_ms=milliseconds)
        started = time.perf_counter()
        try:
            values = self._session.run(
                [signature.outputs[alias].tensor for alias in aliases],
                {spec.tensor: fed[alias] for alias, spec in signature.inputs.items()},
                options=options,
            )
        except tf.errors.OpError as error:
            raise _refused(error) from error
        except (RuntimeError, TypeError, ValueError) as error:
            raise ServableError(grpc.StatusCode.INTERNAL, str(error)) from error
        finally:
            metrics.note_graph_run(time.perf_counter() - started)
        return {
            alias: np.asarray(value, _object_for_strings(value)) for alias, value in zip(aliases, values, strict=True)
        }

    @contextmanager
    def _turn(self, timeout: float | None) -> Iterator[float | None]:
        """Waits for a turn to run; gives the seconds that are left."""
        if timeout is None:
            with self._turns:
                yield None
            return
        deadline = time.monotonic() + timeout
        if timeout <= 0 or not self._turns.acquire(timeout=min(timeout, _LONGEST_SECONDS)):
            raise _late()
        try:
            yield deadline - time.monotonic()
        finally:
            self._turns.release()

    def close(self) -> None:
        """Frees the model; a run after this fails with INTERNAL."""
        self._session.close()
        metrics.forget(self.name, self.version)


def _refused(error: tf.errors.OpError) -> ServableError:
    # What the runtime said, as TensorFlow Serving answers it, before Python adds "Graph execution error".
    said = error.__context__ if isinstance(error.__context__, tf.errors.OpError) else error
    return ServableError(status_code(error.error_code), said.message)


def _late() -> ServableError:
    return ServableError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def _object_for_strings(value: object) -> type[object] | None:
    # A scalar string comes out of a Session as plain bytes; NumPy would make it an `S` array and drop zero bytes.
    return object if isinstance(value, (bytes, str)) else None
