"""`client sort`: frames of a classified season into folders by mode, as links or copies.

Nothing that stands somewhere is ever overwritten or removed, and a frame is never put into a second folder: where a
file of its name is already, and is not what would be put there, that frame is left alone and named.
"""

from __future__ import annotations

import enum
import filecmp
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from client.errors import ConfigError, OutputError
from client.results.rows import Row, read_results
from client.results.runs import read_record, record_file
from radar.durable import sync
from radar.events import as_times
from radar.labels import read_labels
from radar.periods import is_period_table, modes_at, read_periods

UNCLASSIFIED, UNLABELLED = "unclassified", "unlabelled"
COPIES = 4  # at a time: hides the latency of disks and network volumes


class By(enum.StrEnum):
    """What a folder stands for."""

    PREDICTED = "predicted"
    OBSERVED = "observed"
    PAIR = "pair"


class How(enum.StrEnum):
    """How a frame gets into its folder."""

    LINK = "link"
    HARDLINK = "hardlink"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Job:
    """What to sort, where to and how; see `client sort --help`."""

    results: Path
    out: Path
    frames: Path | None = None
    by: By = By.PREDICTED
    how: How = How.LINK
    labels: Path | None = None
    zone: str = "UTC"
    ignored: tuple[str, ...] = ()
    accepted_only: bool = False


@dataclass(slots=True)
class Plan:
    """What is to be done.

    Attributes:
        frames: Folder of the frames.
        folders: Every folder, with the number of frames that belong there.
        todo: Frames that are to be put somewhere: name and folder.
        done: How many are there already.
        missing: Frames of the results that are not in the folder of the frames.
        conflicts: Frames that are left alone, with the reason.
        left_out: Frames that are not accepted, or whose label is ignored.
        unseen: Labels of frames that are not in the results.
    """

    frames: Path
    folders: Counter[str] = field(default_factory=Counter)
    todo: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0
    missing: list[str] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0
    unseen: int = 0


def make_plan(job: Job) -> Plan:
    """Finds out what is to be done; changes nothing.

    Raises:
        ConfigError: The results, the labels and the options do not go together, or a folder is not there.
        LabelsError: The table of labels cannot be used.
    """
    codes, rows = read_results(job.results)
    every = list(rows)
    plan = Plan(_frames_folder(job))
    if job.out.exists() and not job.out.is_dir():
        raise ConfigError(f"--out {job.out}: expected a folder, received a file")
    if job.out.resolve() == plan.frames.resolve():
        raise ConfigError(f"--out {job.out}: expected another folder than that of the frames")
    folder_of = _folders(job, codes, every, plan)
    present = _present(job.out)
    for row, folder in zip(every, folder_of, strict=True):
        if not folder or (job.accepted_only and not row.accepted):
            plan.left_out += 1
            continue
        name = _checked_name(row.file, job.results)
        source, target = plan.frames / name, job.out / folder / name
        if not source.is_file():
            plan.missing.append(name)
            continue
        plan.folders[folder] += 1
        elsewhere = present.get(name, set()) - {folder}
        if elsewhere:
            plan.conflicts.append((name, f"belongs to {folder} and is in {', '.join(sorted(elsewhere))} already"))
        elif not os.path.lexists(target):
            plan.todo.append((name, folder))
        elif _is_done(source, target, job.how):
            plan.done += 1
        else:
            plan.conflicts.append((name, f"is another file in {folder} already"))
    return plan


def carry_out(job: Job, plan: Plan, advance: Callable[[int], None]) -> None:
    """Does what a plan says.

    Args:
        job: The job the plan is of.
        plan: From `make_plan`.
        advance: Called with the number of frames done.

    Raises:
        OutputError: A folder, a link or a copy cannot be made. What was done stays; the same job goes on there.
    """
    put = {How.LINK: _link, How.HARDLINK: _hardlink, How.COPY: _copy}[job.how]

    def place(entry: tuple[str, str]) -> None:
        name, folder = entry
        put(plan.frames / name, job.out / folder / name)

    try:
        for folder in sorted({(job.out / folder / name).parent for name, folder in plan.todo}):
            folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(COPIES if job.how is How.COPY else 1) as pool:
            for _ in pool.map(place, plan.todo):
                advance(1)
        for folder in {(job.out / folder / name).parent for name, folder in plan.todo}:
            sync(folder)
    except OSError as error:
        raise OutputError(
            f"{error.filename2 or error.filename or job.out}: cannot be made: {error.strerror or error}. "
            f"What is done stays; the same command goes on there{_hint(job.how)}."
        ) from error


def _hint(how: How) -> str:
    return ". Hard links need one file system for both folders; --copy does not" if how is How.HARDLINK else ""


def _frames_folder(job: Job) -> Path:
    folder = job.frames
    if folder is None:
        try:
            folder = Path(read_record(record_file(job.results)).identity.folder)
        except ConfigError as error:
            raise ConfigError(
                f"{job.results}: nothing beside it says where the frames lie; give their folder with --frames"
            ) from error
    if not folder.is_dir():
        raise ConfigError(f"--frames {folder}: expected the folder of the classified frames, found no folder")
    return folder


def _folders(job: Job, codes: tuple[str, ...], rows: Sequence[Row], plan: Plan) -> list[str]:
    """Gives each row its folder, or nothing."""
    predicted = [row.label or UNCLASSIFIED for row in rows]
    if job.by is By.PREDICTED:
        if job.labels is not None:
            raise ConfigError("--labels belongs to --by observed or --by pair")
        return predicted
    if job.labels is None:
        raise ConfigError(f"--by {job.by} needs --labels: a CSV with the columns file,label or start,end,mode")
    observed = _observed(job, codes, rows, plan)
    if job.by is By.OBSERVED:
        return observed
    pairs = {(o, p): f"{o}_{p}" for o, p in zip(observed, predicted, strict=True) if o}
    if twice := [name for name, count in Counter(pairs.values()).items() if count > 1]:
        raise ConfigError(f"--by pair: the codes of these modes make one folder of two pairs: {', '.join(twice)}")
    return [pairs.get(pair, "") for pair in zip(observed, predicted, strict=True)]


def _observed(job: Job, codes: tuple[str, ...], rows: Sequence[Row], plan: Plan) -> list[str]:
    """Gives each row the mode people saw, `UNLABELLED`, or nothing if its label is ignored."""
    path = job.labels or Path()
    if is_period_table(path):
        if job.ignored:
            raise ConfigError(f"--ignore belongs to a table of labelled frames; {path} has periods")
        times = as_times([row.time_utc for row in rows])
        if not any(row.time_utc for row in rows):
            raise ConfigError(f"{path} has periods, but the frames of {job.results} have no times")
        modes, _ = modes_at(read_periods(path, codes, zone=job.zone), times)
        return [codes[mode] if mode >= 0 else UNLABELLED for mode in modes.tolist()]
    labels = {label.file: label.mode for label in read_labels(path, (*codes, *job.ignored))}
    plan.unseen = len(labels.keys() - {row.file for row in rows})
    return ["" if labels.get(row.file) in job.ignored else labels.get(row.file, UNLABELLED) for row in rows]


def _checked_name(name: str, results: Path) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ConfigError(f"{results}: expected names inside the folder of the frames, received {name!r}")
    return name


def _present(out: Path) -> dict[str, set[str]]:
    """Lists what is in the folders already: folders by name of frame."""
    present: dict[str, set[str]] = {}
    for folder in out.iterdir() if out.is_dir() else ():
        for name in _files_below(folder):
            present.setdefault(name, set()).add(folder.name)
    return present


def _files_below(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        prefix = os.path.relpath(parent, folder)
        yield from names if prefix == "." else (f"{prefix}/{name}" for name in names)


def _is_done(source: Path, target: Path, how: How) -> bool:
    """Tells whether what stands at the target is what would be put there."""
    try:
        if how is How.LINK:
            return target.is_symlink() and target.resolve() == source.resolve()
        if target.is_symlink():
            return False
        if how is How.HARDLINK:
            return target.samefile(source)
        return filecmp.cmp(source, target)  # size and time of change, or else the bytes
    except OSError:
        return False


def _link(source: Path, target: Path) -> None:
    # From folder to folder, so that both may be moved or mounted elsewhere together.
    target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))


def _hardlink(source: Path, target: Path) -> None:
    os.link(source.resolve(), target)


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copy2(source, temporary)
        sync(temporary)
        if os.path.lexists(target):  # came meanwhile
            raise FileExistsError(None, "it is there already", os.fspath(target))
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
