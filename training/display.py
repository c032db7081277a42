"""What `training` shows while it works: lines on standard error, and a live bar where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """Shows progress; use it as a context.

    Args:
        unit: What the bar counts.
    """

    def __init__(self, unit: str) -> None:
        self._console = Console(stderr=True, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn(unit))
        self._progress = Progress(
            *columns,
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    @classmethod
    @contextmanager
    def of(cls, unit: str) -> Iterator[Self]:
        """Makes a display and clears its bar away at the end."""
        display = cls(unit)
        with display._progress:
            yield display

    def say(self, text: str) -> None:
        """Shows a line above the bar."""
        self._progress.update(self._task, visible=False)
        self._console.print(text, highlight=False, markup=False)

    def advance(self, done: int, total: int, name: str = "") -> None:
        """Shows how far the work, or a part of it that has a name, is."""
        self._progress.update(self._task, description=name, completed=done, total=total, visible=done < total)

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Shows how far an epoch is."""
        self._progress.update(
            self._task, description=f"epoch {epoch:3d}", completed=step, total=steps, visible=step < steps
        )

    def epoch(self, epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        """Shows the line of a finished epoch."""
        self.say(
            f"epoch {epoch:3d}/{epochs}  loss {metrics['loss']:.4f}  accuracy {metrics['accuracy']:.4f}"
            f"  validation loss {metrics['val_loss']:.4f}  accuracy {metrics['val_accuracy']:.4f}"
        )
