"""Methods that say where in a frame the evidence for a mode lies; all differentiate the logit.

`gradcam`, `hirescam` (of activations, never below 0) and `gradient`, `guided`, `guided_gradcam`, `integrated` (of
pixels). Sources: Selvaraju et al. 2017 (arXiv 1610.02391), Draelos and Carin 2020 (arXiv 2011.08891), Simonyan et al.
2013 (arXiv 1312.6034), Springenberg et al. 2014 (arXiv 1412.6806), Sundararajan et al. 2017 (arXiv 1703.01365).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.architectures import Network
from training.look.batches import SIZE, in_batches
from training.look.errors import Undefined
from training.look.guided import guided_copy

Floats = NDArray[np.float32]
Score = Literal["logit", "probability"]

METHODS = ("gradcam", "hirescam", "gradient", "guided", "guided_gradcam", "integrated")
GUIDED = ("guided", "guided_gradcam")
GUIDED_WARNING = (
    "Guided backpropagation and Guided Grad-CAM hardly react when the weights are replaced by random ones (Adebayo "
    "et al. 2018, arXiv 1810.03292): they draw the edges of the frame, whatever was learned. No evidence."
)

MOST_STEPS = 256
_STEPS = 32

_GAP = 0.02
"""Largest gap of integrated gradients, as a share of the difference of the logits, before steps are doubled."""


@dataclass(frozen=True, slots=True)
class Cams:
    """Heat maps of all modes.

    Attributes:
        logits: Shape (N, K).
        gradcam: Shape (N, K, h, w), logit units.
        hirescam: The same.
    """

    logits: Floats
    gradcam: Floats
    hirescam: Floats


@dataclass(frozen=True, slots=True)
class Integrated:
    """Integrated gradients.

    Attributes:
        attributions: Shape (N, H, W, 3), logit units; they add up to `difference`, but for `gap`.
        difference: Logit of the frame less logit of the baseline, shape (N,).
        gap: What the sum misses of it, shape (N,).
        steps: Gradients along the path, shape (N,).
    """

    attributions: Floats
    difference: Floats
    gap: Floats
    steps: NDArray[np.int64]


class Explainer:
    """The methods for one network; compiled at first use.

    Weights may be changed in place between calls: every call sees those of the moment.

    Args:
        network: Any.
        no_echo: RGB of the frame without echo that integrated gradients start from.
        most_steps: How far their steps are doubled where they do not add up.
    """

    def __init__(self, network: Network, no_echo: tuple[int, int, int], *, most_steps: int = MOST_STEPS) -> None:
        self.network = network
        self._most_steps = most_steps
        self._no_echo = np.array(no_echo, np.float32)
        self._compiled: dict[str, Any] = {}

    def undefined(self, method: str) -> str:
        """Tells why a method has no meaning for this network; empty if it has."""
        try:
            if method in ("gradcam", "hirescam", "guided_gradcam"):
                self._check_maps()
            if method in GUIDED:
                _ = self._guided
        except Undefined as error:
            return str(error)
        return ""

    def cams(self, images: NDArray[Any], *, score: Score = "logit", signed: bool = False) -> Cams:
        """Computes Grad-CAM and HiResCAM of every mode.

        Args:
            images: Shape (N, H, W, 3), pixels 0..255.
            score: What is differentiated; ``probability`` is kept to show what goes wrong with it.
            signed: Whether values below 0 stay.

        Raises:
            Undefined: The network has no activations that lie anywhere in the frame.
        """
        self._check_maps()
        compiled = self._function(f"cams {score}", lambda images: self._cams(images, score))
        logits, gradcam, hirescam = in_batches(compiled, _pixels(images))
        if signed:
            return Cams(logits, gradcam, hirescam)
        return Cams(logits, np.maximum(gradcam, 0), np.maximum(hirescam, 0))

    def gradient(self, images: NDArray[Any], classes: NDArray[np.integer]) -> Floats:
        """Computes the gradient of a logit by the pixels.

        Args:
            images: Shape (N, H, W, 3), pixels 0..255.
            classes: The mode of each frame, shape (N,).

        Returns:
            Shape (N, H, W, 3), logit a grey level.
        """
        return self._gradient(images, classes)[0]

    def guided(self, images: NDArray[Any], classes: NDArray[np.integer]) -> Floats:
        """Computes guided backpropagation; see `gradient`.

        Raises:
            Undefined: The network has activations other than ReLU.
        """
        model = self._guided
        model.set_weights(self.network.model.get_weights())
        compiled = self._function("guided", lambda images, classes: _by_pixels(model, images, classes))
        return in_batches(compiled, _pixels(images), _indices(classes))[0]

    def integrated(
        self,
        images: NDArray[Any],
        classes: NDArray[np.integer],
        *,
        tick: Callable[[int, int], None] = lambda *_: None,
    ) -> Integrated:
        """Integrates the gradient along the straight path from a frame without echo (midpoint rule).

        Frames whose attributions do not add up to the difference of the logits within 2 % get more steps.

        Args:
            images: Shape (N, H, W, 3), pixels 0..255.
            classes: The mode of each frame, shape (N,).
            tick: Called with the frames done and their number.
        """
        pixels, classes = _pixels(images), _indices(classes)
        baseline = np.broadcast_to(self._no_echo, pixels.shape)
        rows = np.arange(len(pixels))
        difference = self._gradient(pixels, classes)[1][rows, classes]
        difference = difference - self._gradient(baseline[:1], classes[:1])[1][0][classes]
        attributions = np.zeros_like(pixels)
        used = np.zeros(len(pixels), np.int64)
        steps, open_rows = _STEPS, rows
        while len(open_rows):
            # However many rows are left, the batch keeps its size: another one would be traced again.
            part = self._path(pixels[open_rows], classes[open_rows], steps, min(SIZE, len(pixels)), tick)
            attributions[open_rows], used[open_rows] = part, steps
            gap = difference - attributions.sum(axis=(1, 2, 3))
            # A logit that hardly moves has no share to be a part of.
            open_rows = rows[np.abs(gap) > _GAP * np.maximum(np.abs(difference), 0.1)]
            steps *= 2
            if steps > self._most_steps:
                break
        return Integrated(attributions, difference, gap, used)

    def relevance(self, method: str, images: NDArray[Any], classes: NDArray[np.integer]) -> Floats:
        """Gives one number a pixel, by any method.

        Heat maps are enlarged bilinearly; of gradients the largest value of the colours without its sign counts, of
        integrated gradients their sum with its sign.

        Args:
            method: One of `METHODS`.
            images: Shape (N, H, W, 3), pixels 0..255.
            classes: The mode of each frame, shape (N,).

        Returns:
            Shape (N, H, W).

        Raises:
            Undefined: The method has no meaning for the network.
            ValueError: There is no such method.
        """
        if method not in METHODS:
            raise ValueError(f"Expected a method among {', '.join(METHODS)}. Received: method={method!r}")
        if method == "integrated":
            total: Floats = self.integrated(images, classes).attributions.sum(axis=-1)
            return total
        if method == "gradient":
            return strongest(self.gradient(images, classes))
        if method == "guided":
            return strongest(self.guided(images, classes))
        cams = self.cams(images)
        maps = cams.hirescam if method == "hirescam" else cams.gradcam
        large = enlarge(maps[np.arange(len(maps)), _indices(classes)], images.shape[1:3])
        if method == "guided_gradcam":
            return strongest(self.guided(images, classes)) * large
        return large

    @cached_property
    def _guided(self) -> Any:
        return guided_copy(self.network.model)

    def _check_maps(self) -> None:
        if not self.network.explains:
            raise Undefined("it keeps no activations that lie anywhere in the frame, so that there are no heat maps")

    def _function(self, name: str, function: Callable[..., Any]) -> Any:
        return self._compiled.setdefault(name, tf.function(function))

    def _gradient(self, images: NDArray[Any], classes: NDArray[np.integer]) -> list[Floats]:
        model = self.network.model
        compiled = self._function("gradient", lambda images, classes: _by_pixels(model, images, classes))
        return in_batches(compiled, _pixels(images), _indices(classes))

    def _path(
        self,
        pixels: Floats,
        classes: NDArray[np.int64],
        steps: int,
        size: int,
        tick: Callable[[int, int], None],
    ) -> Floats:
        model = self.network.model
        start = tf.constant(self._no_echo)

        def along(images: Any, classes: Any, steps: Any) -> Any:
            def one(n: Any, total: Any) -> tuple[Any, Any]:
                share = (tf.cast(n, tf.float32) + 0.5) / tf.cast(steps[0], tf.float32)
                return n + 1, total + _by_pixels(model, start + share * (images - start), classes)[0]

            _, total = tf.while_loop(lambda n, _: n < steps[0], one, (0, tf.zeros_like(images)))
            return total / tf.cast(steps[0], tf.float32) * (images - start)

        compiled = self._function("path", along)
        number = np.full(len(pixels), steps, np.int32)
        return in_batches(compiled, pixels, classes, number, size=size, tick=tick)[0]

    def _cams(self, images: Any, score: Score) -> tuple[Any, Any, Any]:
        # The gradient is by the activations, so what comes before them is left out of the tape.
        activations = self.network.features(images, training=False)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(activations)
            logits = self.network.head(activations, training=False)
            scores = tf.nn.softmax(logits) if score == "probability" else logits
            columns = tf.unstack(scores, axis=1)
        gradcam, hirescam = [], []
        for column in columns:
            gradient = tape.gradient(column, activations)
            gradcam.append(tf.einsum("nhwc,nc->nhw", activations, tf.reduce_mean(gradient, axis=(1, 2))))
            hirescam.append(tf.reduce_sum(gradient * activations, axis=-1))
        return logits, tf.stack(gradcam, axis=1), tf.stack(hirescam, axis=1)


def strongest(gradients: Floats) -> Floats:
    """Gives the largest value of the three colours without its sign, shape (N, H, W), of (N, H, W, 3)."""
    largest: Floats = np.abs(gradients).max(axis=-1)
    return largest


def enlarge(maps: NDArray[np.floating], size: tuple[int, ...]) -> Floats:
    """Enlarges maps (N, h, w) bilinearly to `size`, rows and columns."""
    height, width = size
    return np.stack([cv2.resize(one.astype(np.float32), (width, height)) for one in maps])


def _by_pixels(model: Any, images: Any, classes: Any) -> tuple[Any, Any]:
    """Gives the gradient of each frame's own logit by its pixels, and all logits."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = model(images, training=False)
        chosen = tf.gather(logits, classes, batch_dims=1)
    return tape.gradient(chosen, images), logits


def _pixels(images: NDArray[Any]) -> Floats:
    return np.asarray(images, np.float32)


def _indices(classes: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.asarray(classes, np.int64)
