"""What `client classify` is told, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from client.classify.shadow import Agreement
from client.shard import Shard
from client.sources import Folder
from client.tally import Tally
from radar import jma
from radar.archive import Listing
from radar.errors import SnowmodeError
from radar.seasons import Gap
from serving.protocol.connection import ServedModel
from serving.protocol.tls import Tls


@dataclass(frozen=True, slots=True)
class Job:
    """One folder, and where its results go; a shard adds its number to the name."""

    folder: Folder
    out: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How folders are classified; see `client classify --help`.

    Attributes:
        server: ``host:port`` or ``embedded:MODELS``.
        model: Name of the servable.
        tls: Certificates to speak with the server; None speaks plain text.
        formats: Of the results, beside CSV.
        resume: Whether to continue unfinished runs.
        overwrite: Whether finished results may be replaced.
        patience: Seconds to wait for a server that goes away.
        threads: That decode; None means one a core.
        shard: Which part of each folder; None takes all of it.
        window: Part of a JMA composite that the model gets to see.
        heat_maps: Which to write beside the results, as the model's outputs are named.
        shadow: Number or label of another version to compare with, or empty.
        command: The command line, for the record.
    """

    server: str
    model: str
    tls: Tls | None = None
    formats: tuple[str, ...] = ("csv",)
    resume: bool = True
    overwrite: bool = False
    patience: float = 30.0
    threads: int | None = None
    shard: Shard | None = None
    window: jma.Window = jma.HOKUSHINETSU
    heat_maps: tuple[str, ...] = ()
    shadow: str = ""
    command: str = ""

    def path(self, out: Path) -> Path:
        """Gives the name of the result file that this shard writes."""
        return out if self.shard is None else self.shard.path(out)

    def share(self, listing: Listing) -> list[str]:
        """Gives the frames of this shard."""
        return listing.names if self.shard is None else [name for name in listing.names if self.shard.takes(name)]


@dataclass(slots=True)
class Outcome:
    """What a run did.

    Attributes:
        folder: Name of the folder.
        served: The model that answered.
        tally: Counts of all rows of the result file, those of an earlier run included.
        frames: Frames in the folder, or in this shard of it.
        kept: Rows taken over from an unfinished or earlier run.
        seconds: Time from the first frame read to the last row written.
        first_answer: Seconds until the first rows were written; None if there were none.
        retries: Batches sent again after a transient failure.
        gaps: Missing frames, by the time rule and its cadence.
        strangers: Frames that should have a time and have none, and the first of them.
        repeated: Frames that have the time of another, and the first such time.
        odd_shape: Rows and columns of a frame that is much wider or higher than the model's input, if there is one.
        files: What was written.
        shadow: How another version of the model compares, if that was asked for.
    """

    folder: str
    served: ServedModel
    tally: Tally
    frames: int
    kept: int = 0
    seconds: float = 0.0
    first_answer: float | None = None
    retries: int = 0
    gaps: list[Gap] = field(default_factory=list)
    strangers: tuple[int, str] = (0, "")
    repeated: tuple[int, str] = (0, "")
    odd_shape: tuple[int, int] | None = None
    files: list[Path] = field(default_factory=list)
    shadow: Agreement | None = None


@dataclass(slots=True)
class Summary:
    """What became of all folders.

    Attributes:
        outcomes: Of the folders that were classified.
        failures: Folders that were not, with the reason.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[tuple[Path, SnowmodeError]] = field(default_factory=list)
