"""10,000 random requests: the server answers each with the right code and lives on.

What is right is computed here, from the description of the model and the tables of TensorFlow Serving, not by the
code under test.
"""

import collections
import dataclasses
import random

import grpc
import numpy as np
import pytest

from serving.protocol import wire
from serving.protocol.tensors import to_array
from tests.serving.model_server.toy_server import DEADLINE, predict_request

COUNT = 10_000
IN_FLIGHT = 64
OK, INVALID, PRECONDITION, NOT_FOUND = (
    *(grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION),
    grpc.StatusCode.NOT_FOUND,
)
UINT8, INT32, STRING = wire.DataType.DT_UINT8, wire.DataType.DT_INT32, wire.DataType.DT_STRING
SIZES = {
    UINT8: 1,
    INT32: 4,
    wire.DataType.DT_FLOAT: 4,
    wire.DataType.DT_INT64: 8,
    wire.DataType.DT_BOOL: 1,
    wire.DataType.DT_DOUBLE: 8,
    wire.DataType.DT_HALF: 2,
    wire.DataType.DT_COMPLEX64: 8,
}
FIELDS = {UINT8: "int_val", INT32: "int_val", wire.DataType.DT_FLOAT: "float_val", STRING: "string_val"}
NO_TYPES = (wire.DataType.DT_INVALID, wire.DataType.DT_VARIANT, wire.DataType.DT_RESOURCE, 99, -1)
IMAGE = (UINT8, (None, 8, 8, 3))
SIGNATURES = {
    "serving_default": ({"images": IMAGE}, {"logits", "probabilities"}),
    "unguarded": ({"images": IMAGE}, {"logits", "batch"}),
    "describe": ({"query": (INT32, (None,))}, {"model_card"}),
    "join": ({"a": (STRING, (None,)), "b": (STRING, (None,))}, {"joined", "first"}),
}


@dataclasses.dataclass
class Tensor:
    """A TensorProto, and what a correct parser makes of it: readable or not, its dtype and its shape."""

    proto: wire.TensorProto
    readable: bool
    dtype: int
    shape: tuple[int, ...]


def tensor_like(rng, dtype, shape):
    """Draws a tensor that is mostly what a signature wants, and sometimes wrong in one way or two."""
    sizes = [rng.randint(1, 5) if size is None else size for size in shape]
    if rng.random() < 0.25:
        sizes = damaged(rng, sizes)
    if rng.random() < 0.15:
        dtype = rng.choice([*SIZES, STRING, *NO_TYPES])
    proto = wire.TensorProto(dtype=dtype)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    known = dtype in SIZES or dtype == STRING
    readable = known and all(size >= 0 for size in sizes)
    if rng.random() < 0.02:
        proto.tensor_shape.unknown_rank = True
        readable = False
    bytes_needed = int(np.prod(sizes, dtype=object)) * SIZES.get(dtype, 8)
    if readable and bytes_needed > 1 << 20:
        return Tensor(proto, bytes_needed <= 2**31, dtype, tuple(sizes))
    count = int(np.prod([max(size, 0) for size in sizes], dtype=object)) if bytes_needed <= 1 << 20 else 3
    if dtype in SIZES and (dtype not in FIELDS or rng.random() < 0.6):
        length = max(count * SIZES[dtype], 0)
        if rng.random() < 0.1:
            length = max(0, length + rng.choice([-3, -1, 1, 7, 100]))
        proto.tensor_content = bytes(length)
        # Without bytes the values would count, and there are none: zeros. With no elements nothing is read.
        readable = readable and (not length or not count or length == count * SIZES[dtype])
    elif dtype in FIELDS:
        given = rng.choice([0, 1, count, count + 3]) if count else rng.choice([0, 2])
        values = [rng.choice([b"", b"x", b"\0"]) for _ in range(given)] if dtype == STRING else [7] * given
        getattr(proto, FIELDS[dtype]).extend(values)
    return Tensor(proto, readable, dtype, tuple(sizes))


def damaged(rng, sizes):
    sizes = list(sizes)
    match rng.randrange(5):
        case 0:
            return sizes[1:]
        case 1:
            return [1, *sizes]
        case 2:
            return []
        case 3 if sizes:
            sizes[rng.randrange(len(sizes))] = rng.choice([0, 1, 64, 2**31, 2**62, -1, -(2**63)])
            return sizes
        case _:
            return [rng.randint(0, 4) for _ in range(rng.randint(0, 70))]


def draw(rng):
    """Draws a request, and computes the code it must be answered with."""
    name = rng.choice([*SIGNATURES, "serving_default", "serving_default"])
    inputs, outputs = SIGNATURES[name]
    tensors = {alias: tensor_like(rng, *spec) for alias, spec in inputs.items()}
    if rng.random() < 0.08:
        tensors.pop(rng.choice(list(tensors)))
    if rng.random() < 0.08:
        tensors[rng.choice(["", "b", "x" * 2000, "雪", "images"])] = tensor_like(rng, UINT8, (None,))
    wanted = rng.sample(sorted(outputs), rng.randint(0, len(outputs)))
    if rng.random() < 0.06:
        wanted.append(rng.choice(["X", "", "logits"]))
    spec = {"signature": "" if name == "serving_default" and rng.random() < 0.5 else name}
    match rng.randrange(40):
        case 0:
            spec["signature"] = rng.choice(["X", "__saved_model_init_op", "雪" * 600])
        case 1:
            spec["name"] = rng.choice(["", "m", "toy/", "雪"])
        case 2:
            spec["version"] = {"value": rng.choice([1, 5, 0, -1, 2**62])}
        case 3:
            spec["version_label"] = rng.choice(["", "stable", "x" * 5000])
    request = predict_request({}, output_filter=wanted, **spec)
    for alias, tensor in tensors.items():
        request.inputs[alias].CopyFrom(tensor.proto)
    return request, expected_code(spec, inputs, outputs, tensors, wanted)


def expected_code(spec, inputs, outputs, tensors, wanted):
    if "version_label" in spec or spec.get("name") == "":
        return INVALID
    if spec.get("name", "toy") != "toy" or spec.get("version", {"value": 5}) != {"value": 5}:
        return NOT_FOUND
    if spec["signature"] not in ("", *SIGNATURES):
        return PRECONDITION
    if tensors.keys() != inputs.keys() or not all(tensor.readable for tensor in tensors.values()):
        return INVALID
    if len(set(wanted)) < len(wanted) or not set(wanted) <= outputs:
        return INVALID
    for alias, (dtype, shape) in inputs.items():
        given = tensors[alias]
        if given.dtype != dtype or len(given.shape) != len(shape) or given.shape[0] == 0:
            return INVALID
        if any(size not in (None, got) for size, got in zip(shape, given.shape, strict=True)):
            return INVALID
    if "a" in inputs:
        a, b = tensors["a"].shape[0], tensors["b"].shape[0]
        return OK if a == b or 1 in (a, b) else INVALID
    return OK


@pytest.fixture(scope="module")
def fuzzed(servers, publish, tmp_path_factory):
    base_path = tmp_path_factory.mktemp("fuzz")
    publish(base_path, 5)
    return servers(base_path)


@pytest.mark.slow
def test_every_request_gets_the_right_code(fuzzed):
    rng = random.Random(20261121)
    method = fuzzed.method(wire.PREDICT, wire.PredictResponse)
    waiting, codes = collections.deque(), collections.Counter()

    def settle():
        request, code, future = waiting.popleft()
        got = future.code()
        assert got is code, f"expected {code}, got {got} {future.details()!r} for\n{str(request)[:2000]}"
        codes[got] += 1
        if got is OK:
            assert future.result().model_spec.version.value == 5
            assert all(to_array(proto).size for proto in future.result().outputs.values())

    for _ in range(COUNT):
        request, code = draw(rng)
        waiting.append((request, code, method.future(request, timeout=DEADLINE)))
        if len(waiting) >= IN_FLIGHT:
            settle()
    while waiting:
        settle()
    assert codes.total() == COUNT
    assert min(codes[code] for code in (OK, INVALID, PRECONDITION, NOT_FOUND)) > 100, codes
    assert fuzzed.process.poll() is None
    assert fuzzed.status()[5].state == wire.State.AVAILABLE
