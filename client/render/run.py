"""`client render`: composites of JMA in, a folder of PNG frames out."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from client.errors import Interrupted, OutputError
from client.render.plan import Item, Plan
from radar import durable, jma
from radar.errors import FrameError
from radar.jma import drawing, files, second_reader
from radar.seasons import SEASON_FILE, Gap, find_gaps


@dataclass(slots=True)
class Outcome:
    """What a run did.

    Attributes:
        rendered: Frames written.
        kept: Frames that were there already.
        failures: Composites that could not be used, and why.
        gaps: Frames missing in the folder between its first and last, by the cadence.
        radar_flags: How many of the composites rendered had each state of the radar operation flags.
        seconds: Time from the first composite read to the last frame written.
    """

    rendered: int = 0
    kept: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    radar_flags: dict[bytes, int] = field(default_factory=dict)
    seconds: float = 0.0


def render(
    plan: Plan, *, verify: bool = False, threads: int | None = None, advance: Callable[[int], None] = lambda n: None
) -> Outcome:
    """Renders what a plan says.

    Args:
        plan: From `client.render.plan.make_plan`.
        verify: Whether to read every composite with eccodes too, and to refuse those it reads differently.
        threads: How many composites to work on at a time; None means one a core.
        advance: Called with the number of composites done.

    Returns:
        Counts, failures and gaps.

    Raises:
        OutputError: A frame cannot be written; those written before stay.
        Interrupted: Ctrl-C; those written before stay.
        LibraryMissing: `verify` without eccodes.
    """
    if verify:
        second_reader.library()
    outcome = Outcome(kept=len(plan.finished), failures=list(plan.failures))
    started = time.perf_counter()
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        if plan.season_text:
            durable.write_text(plan.out / SEASON_FILE, plan.season_text)
        for item, result in _run(plan, verify, threads or len(os.sched_getaffinity(0))):
            advance(1)
            if isinstance(result, FrameError):
                outcome.failures.append((str(item.source), str(result)))
                continue
            outcome.rendered += 1
            outcome.radar_flags[result] = outcome.radar_flags.get(result, 0) + 1
    except OSError as error:
        raise OutputError(
            f"{error.filename or plan.out}: cannot be written: {error.strerror}. {_so_far(outcome, plan)}"
        ) from error
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped. {_so_far(outcome, plan)}") from None
    outcome.seconds = time.perf_counter() - started
    failed = {name for name, _ in outcome.failures}
    outcome.gaps = _gaps(plan, [item.time for item in plan.items if str(item.source) not in failed])
    return outcome


def _so_far(outcome: Outcome, plan: Plan) -> str:
    done = outcome.rendered + outcome.kept
    return (
        f"{done:,} of {len(plan.items) + len(plan.finished):,} frames are in {plan.out}; run the same command again "
        "to continue there."
    )


def _gaps(plan: Plan, times: Sequence[datetime]) -> list[Gap]:
    cadence = plan.rule.cadence
    every = sorted([*times, *plan.finished])
    return [] if cadence is None else list(find_gaps(every, cadence))


def _run(plan: Plan, verify: bool, threads: int) -> Iterator[tuple[Item, bytes | FrameError]]:
    """Yields each item with its radar flags, or with what is wrong with it; few at a time are under way."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="render")
    waiting: deque[tuple[Item, Future[bytes | FrameError]]] = deque()
    try:
        for item in plan.items:
            waiting.append((item, pool.submit(_render_one, item, plan, verify)))
            if len(waiting) > 4 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _render_one(item: Item, plan: Plan, verify: bool) -> bytes | FrameError:
    try:
        composite = jma.read(item.source)
        if composite.time != item.time:
            raise FrameError("was replaced by a composite of another time; run the same command again")
        if verify:
            _compare(item.source, composite)
    except FrameError as error:
        return error
    png = drawing.draw(composite, plan.window, coverage=plan.coverage)
    with durable.replacing(plan.out / item.name) as temporary:
        temporary.write_bytes(png)
    return composite.radar_flags


def _compare(source: Path, composite: jma.Composite) -> None:
    other, ours = second_reader.rate(files.message_of(source)), composite.rate()
    differing = int((~((other == ours) | (np.isnan(other) & np.isnan(ours)))).sum())
    if differing:
        raise FrameError(f"is read differently by eccodes: {differing:,} points differ")
