"""The release gate: what a SavedModel must pass before it is published.

It runs every signature through the TF1 `Session` path, because that is what TensorFlow Serving executes: a model can
load and answer in Python and still fail there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from serving.protocol import contract
from serving.protocol.contract import ModelCard
from training.errors import GateError
from training.publishing.export import Signatures
from training.publishing.session import SessionModel

Arrays = dict[str, NDArray[Any]]

TOLERANCE = 1e-5
PROBE_SECONDS = 300

ALLOWED_OPERATIONS = frozenset(
    """
    Add AddN AddV2 ArgMax AssignVariableOp AvgPool AvgPoolGrad BatchMatMulV2 BiasAdd BiasAddGrad
    BroadcastGradientArgs BroadcastTo Cast ConcatV2 Const Conv2D Conv2DBackpropInput DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput DisableCopyOnRead DivNoNan DynamicStitch Einsum EnsureShape Erf Erfc Exp
    ExpandDims Fill FloorMod FusedBatchNormGradV3 FusedBatchNormV3 GatherV2 Identity IdentityN LeakyRelu LinSpace
    MatMul Max MaxPool MaxPoolGrad Maximum Mean MergeV2Checkpoints Minimum Mul Neg NoOp OnesLike Pack Pad PadV2
    PartitionedCall Placeholder PlaceholderWithDefault Prod Range ReadVariableOp RealDiv Relu Relu6 ReluGrad Reshape
    ResizeBilinear RestoreV2 Rsqrt RsqrtGrad SaveV2 Select SelectV2 Shape ShapeN ShardedFilename Sigmoid Size Slice
    Softmax Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall StaticRegexFullMatch
    StopGradient StridedSlice StridedSliceGrad StringJoin Sub Sum Tanh Tile Transpose Unpack VarHandleOp
    VarIsInitializedOp ZerosLike
    """.split()
)
"""Operations that every TensorFlow Serving build has; Python callbacks and files are not among them."""


def check(folder: Path, card: ModelCard, images: NDArray[np.uint8], eager: Signatures | None = None) -> list[str]:
    """Runs every check.

    Args:
        folder: A SavedModel.
        card: The card it was exported with.
        images: Some frames, uint8, shape (N, H, W, 3), N >= 2.
        eager: The signatures before the export; None leaves that comparison out.

    Returns:
        What was checked, one line a check.

    Raises:
        GateError: Names every check that failed.
    """
    try:
        session = SessionModel(folder)
        reloaded = tf.saved_model.load(str(folder))
    except Exception as error:  # as many kinds as a file can be damaged; protobuf's are no ValueErrors
        raise GateError(f"{folder} must not be published:\n  load: {_reason(error)}") from error
    checks: dict[str, Callable[[], Iterator[str]]] = {
        "card: describe answers with it, and it lies beside the model": lambda: _card(folder, session, card),
        "operations: all on the allow-list": lambda: _operations(folder),
        "equal: eager, reloaded and Session": lambda: _equal(session, reloaded, card, images, eager),
        "batches: n frames at once = n times one": lambda: _batches(session, images),
        "heat maps: differ between modes, at the size the card says": lambda: _heat_maps(session, card, images),
        "finite: black and white frames": lambda: _finite(session, images),
        "bad input: an error, no crash": lambda: _bad_input(folder),
    }
    failures: list[str] = []
    for name, run in checks.items():
        try:
            failures += [f"  {name.partition(':')[0]}: {problem}" for problem in run()]
        except Exception as error:
            # A missing signature, a card that cannot be read, a probe that hangs: whatever it ends with, the model
            # did not pass, and the other checks are still worth their answers.
            failures.append(f"  {name.partition(':')[0]}: {_reason(error)}")
    session.close()
    if failures:
        raise GateError(f"{folder} must not be published:\n" + "\n".join(failures))
    return list(checks)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _inputs(signature: str, images: NDArray[np.uint8]) -> Arrays:
    if signature == contract.DESCRIBE:
        return {contract.QUERY: np.zeros(len(images), np.int32)}
    return {contract.IMAGES: images}


def _card(folder: Path, session: SessionModel, card: ModelCard) -> Iterator[str]:
    texts = session.run(contract.DESCRIBE, {contract.QUERY: np.zeros(3, np.int32)})[contract.MODEL_CARD]
    if texts.shape != (3,):
        yield f"expected 3 answers to 3 queries, received shape {texts.shape}"
    elif ModelCard.model_validate_json(texts[0]) != card:
        yield "describe answers with another card"
    file = folder / "assets.extra" / contract.CARD_FILE
    if not file.exists() or ModelCard.model_validate_json(file.read_bytes()) != card:
        yield f"expected the card in {file.relative_to(folder)}"
    if not (folder / "assets.extra" / contract.WARMUP_FILE).exists():
        yield f"expected warm-up requests in assets.extra/{contract.WARMUP_FILE}"


def _operations(folder: Path) -> Iterator[str]:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    used = {node.op for node in graph.node}
    used |= {node.op for function in graph.library.function for node in function.node_def}
    if unknown := sorted(used - ALLOWED_OPERATIONS):
        yield f"not on the allow-list: {', '.join(unknown)}"
    if any(function.attr["_XlaMustCompile"].b for function in graph.library.function):
        yield "functions that must be compiled by XLA, which a model server may be without"


def _equal(
    session: SessionModel, reloaded: Any, card: ModelCard, images: NDArray[np.uint8], eager: Signatures | None
) -> Iterator[str]:
    for signature, outputs in contract.OUTPUTS.items():
        inputs = _inputs(signature, images)
        ran = session.run(signature, inputs)
        if set(ran) != set(outputs):
            yield f"{signature}: expected the outputs {', '.join(outputs)}, received {', '.join(sorted(ran))}"
            continue
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        others = {"reloaded": reloaded.signatures[signature](**tensors)}
        if eager is not None:
            others["eager"] = eager[signature](*tensors.values())
        for path, answers in others.items():
            for name in outputs:
                if problem := _difference(ran[name], answers[name].numpy()):
                    yield f"{signature}: {name} of the Session path and {path} {problem}"


def _difference(a: NDArray[Any], b: NDArray[Any]) -> str:
    if a.shape != b.shape:
        return f"have the shapes {a.shape} and {b.shape}"
    if a.dtype == object:
        return "" if (a == b).all() else "differ"
    # Heat maps and logits have no fixed range, so the tolerance grows with them.
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    worst = float(np.abs(a.astype(np.float64) - b).max(initial=0.0))
    return "" if worst <= TOLERANCE * scale else f"differ by up to {worst:.2g}"


def _batches(session: SessionModel, images: NDArray[np.uint8]) -> Iterator[str]:
    for signature in (contract.CLASSIFY, contract.EXPLAIN, contract.EMBED):
        together = session.run(signature, _inputs(signature, images))
        alone = [session.run(signature, _inputs(signature, images[n : n + 1])) for n in range(len(images))]
        for name, values in together.items():
            if problem := _difference(values, np.concatenate([answer[name] for answer in alone])):
                yield f"{signature}: {name} of a batch and of single frames {problem}"


def _heat_maps(session: SessionModel, card: ModelCard, images: NDArray[np.uint8]) -> Iterator[str]:
    answers = session.run(contract.EXPLAIN, _inputs(contract.EXPLAIN, images))
    expected = (len(images), len(card.modes), card.heat_map.height, card.heat_map.width)
    for name in (contract.GRADCAM, contract.HIRESCAM):
        maps = answers[name]
        if maps.shape != expected:
            yield f"{name}: expected shape {expected}, received {maps.shape}"
            continue
        if float(maps.min()) < 0:
            yield f"{name}: expected no negative values, received {maps.min():.3g}"
        for a in range(len(card.modes)):
            for b in range(a):
                if maps[:, a].any() and np.allclose(maps[:, a], maps[:, b], rtol=1e-3):
                    yield f"{name}: the maps of {card.codes[b]} and {card.codes[a]} are the same"
        if not maps.any():
            yield f"{name}: every map is empty"


def _finite(session: SessionModel, images: NDArray[np.uint8]) -> Iterator[str]:
    extremes = np.stack([np.zeros_like(images[0]), np.full_like(images[0], 255)])
    for signature in (contract.CLASSIFY, contract.EXPLAIN, contract.EMBED):
        for name, values in session.run(signature, _inputs(signature, extremes)).items():
            if not np.isfinite(values).all():
                yield f"{signature}: {name} of black and white frames is not finite"


def _bad_input(folder: Path) -> Iterator[str]:
    # In a child process, because what is looked for is a process that dies.
    command = [sys.executable, "-m", "training.publishing.gate_probe", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield f"the process died with code {done.returncode}: {last[:300]}"
        return
    answers: Mapping[str, str] = json.loads(done.stdout.splitlines()[-1])
    for case, answer in answers.items():
        if answer != "InvalidArgumentError":
            yield f"{case}: expected InvalidArgumentError, received {answer}"
