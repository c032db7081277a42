"""Batches on their way through the pipeline: what was decoded, what was answered, what each frame ends up with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.protocol.contract import PROBABILITIES

NOT_FINITE = "was answered with numbers that are not finite"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one frame.

    Attributes:
        name: The frame, relative to the folder.
        probabilities: float32, shape (K,); None if the frame could not be classified.
        error: Why not; empty if it was.
        heat_maps: Those asked for, by name: float32, shape (K, h, w), logit units.
    """

    name: str
    probabilities: NDArray[np.float32] | None
    error: str = ""
    heat_maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Cut:
    """A part that was refused as a whole and cut in two."""

    half: int
    accepted: int = 0


@dataclass(slots=True, eq=False)
class Part:
    """Rows [low, high) of a batch's images, sent as one call. A part that is refused, or too much, is cut in two."""

    batch: Batch
    low: int
    high: int
    cut: Cut | None = None
    handle: Any = None
    unavailable_since: float = 0.0
    failures: int = 0

    def __len__(self) -> int:
        return self.high - self.low

    def halves(self, cut: Cut | None = None) -> tuple[Part, Part]:
        """Cuts it in two, which take its place and go on with its patience.

        Args:
            cut: Counts how many of the two are accepted.
        """
        middle = (self.low + self.high) // 2
        self.batch.parts_left += 1
        first = replace(self, high=middle, cut=cut, handle=None)
        return first, replace(first, low=middle, high=self.high)


@dataclass(slots=True, eq=False)
class Batch:
    """Consecutive frames.

    Attributes:
        names: Of all of them, N.
        images: uint8 RGB, shape (N, H, W, 3); after `open` those that could be decoded, (M, H, W, 3).
        errors: Why a frame could not be classified, by its position among the names.
        chunks_left: Pieces that are still being decoded.
        parts_left: Calls that are not answered yet; -1 before `open`.
    """

    names: Sequence[str]
    images: NDArray[np.uint8]
    errors: dict[int, str] = field(default_factory=dict)
    chunks_left: int = 0
    parts_left: int = -1
    _rows: list[int] = field(default_factory=list)
    _answers: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def decoded(self) -> bool:
        """Whether every frame was decoded or given up."""
        return self.chunks_left == 0

    @property
    def done(self) -> bool:
        """Whether every call is answered."""
        return self.parts_left == 0

    def open(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Leaves the frames that could not be decoded out of the images, and makes room for the answers.

        Args:
            shapes: Of one frame's share of each output.
        """
        self._rows = [row for row in range(len(self.names)) if row not in self.errors]
        if self.errors:
            self.images = self.images[self._rows]
        self._answers = {name: np.empty((len(self._rows), *shape), np.float32) for name, shape in shapes.items()}
        self.parts_left = 1 if self._rows else 0

    def store(self, part: Part, answer: Mapping[str, NDArray[Any]]) -> int:
        """Takes the answer to one of its parts.

        Returns:
            How many frames it is of use for: those with finite numbers.
        """
        finite = np.ones(len(part), bool)
        for name, values in self._answers.items():
            values[part.low : part.high] = answer[name]
            finite &= np.isfinite(answer[name]).reshape(len(part), -1).all(axis=1)
        for row in np.flatnonzero(~finite).tolist():
            self.errors[self._rows[part.low + row]] = NOT_FINITE
        self.parts_left -= 1
        return int(finite.sum())

    def refuse(self, part: Part, error: str) -> None:
        """Takes note that the server does not want the one frame of a part."""
        self.errors[self._rows[part.low]] = error
        self.parts_left -= 1

    def predictions(self) -> list[Prediction]:
        """Gives every frame its answer, or the reason why there is none."""
        position = {row: n for n, row in enumerate(self._rows)}
        found = []
        for row, name in enumerate(self.names):
            if row in self.errors:
                found.append(Prediction(name, None, self.errors[row]))
                continue
            mine = {output: values[position[row]] for output, values in self._answers.items()}
            found.append(Prediction(name, mine.pop(PROBABILITIES), heat_maps=mine))
        return found
