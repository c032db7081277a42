"""Seasons: when a frame was observed, and which frames are missing.

A frame's time comes from its name by an explicit rule and from nothing else: not from the file's date, not
from its place in a listing. The rule is one pattern, with which names are read *and* made:

    "%Y%m%d%H%M.png"            a date in the name
    "pr2hse{index:05d}.png"     a running index; the season's start and cadence give the time

A folder may carry its rule in a file `season.toml`:

    name = "hse20152016"
    pattern = "pr2hse{index:05d}.png"
    start = 2015-11-01T00:00:00Z
    cadence_minutes = 10
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from radar.errors import SeasonError

SEASON_FILE = "season.toml"

_DIRECTIVES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%j": r"\d{3}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%b": r"[A-Za-z]{3}",
}
_TOKEN = re.compile(r"(%[A-Za-z]|\{index(?::(?:0\d+)?d)?\})")
_FIXED_ZONES = {"UTC": UTC, "Z": UTC, "JST": timezone(timedelta(hours=9))}


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that should be there and are not.

    Attributes:
        start: Time of the first missing frame, UTC.
        end: Time of the last missing frame, UTC.
        missing: How many frames are missing.
    """

    start: datetime
    end: datetime
    missing: int


class TimeRule:
    """Reads times from names and makes names from times.

    Args:
        pattern: File name with ``strftime`` directives (``%Y %y %m %d %j %H %M %S %b``) or one ``{index}``.
        start: Time of index 0; needed for, and only for, patterns with an index. Without a zone it is UTC.
        cadence_minutes: Minutes between frames. Needed for an index; for dates it lets gaps be found.
        zone: Time zone of dates in names: ``UTC``, ``JST`` or an IANA name.

    Raises:
        SeasonError: The pattern, the zone, or their combination makes no sense.
    """

    def __init__(
        self,
        pattern: str,
        *,
        start: datetime | None = None,
        cadence_minutes: float | None = None,
        zone: str = "UTC",
    ) -> None:
        parts = _TOKEN.split(pattern)
        tokens = parts[1::2]
        unknown = [token for token in tokens if token.startswith("%") and token not in _DIRECTIVES]
        indices = [token for token in tokens if token.startswith("{")]
        if unknown:
            raise SeasonError(
                f"Time pattern: expected the directives {' '.join(_DIRECTIVES)}, received {unknown[0]!r} "
                f"in {pattern!r}"
            )
        if len(indices) > 1 or bool(indices) == (len(indices) < len(tokens)):
            raise SeasonError(
                "Time pattern: expected a date such as '%Y%m%d%H%M.png' or one index such as "
                f"'pr2hse{{index}}.png', received {pattern!r}"
            )
        if indices and (start is None or not cadence_minutes):
            raise SeasonError(
                f"Time pattern {pattern!r} counts frames, so it needs the season's start and cadence: for "
                "example --season-start 2015-11-01T00:00Z --cadence 10"
            )
        if not indices and not ({"%d", "%j"} & set(tokens) and {"%Y", "%y"} & set(tokens)):
            raise SeasonError(f"Time pattern: expected a whole date such as %Y%m%d%H%M, received {pattern!r}")
        if any(re.search(r"[{}]" if indices else "%", literal) for literal in parts[0::2]):
            # What names are made with would take them for directives.
            raise SeasonError(f"Time pattern: expected no other {{, }} or % around its parts, received {pattern!r}")
        self.pattern = pattern
        self.start = None if start is None else _as_utc(start)
        self.cadence = None if cadence_minutes is None else _cadence(cadence_minutes)
        self._zone = find_zone(zone)
        self._has_index = bool(indices)
        self._format = "".join(tokens) if not indices else ""
        literals = [re.escape(part) for part in parts[0::2]]
        expressions = [f"({_DIRECTIVES.get(token, '[0-9]+')})" for token in tokens]
        body = "".join(a + b for a, b in zip(literals, [*expressions, ""], strict=True))
        self._regex = re.compile(body)

    def __str__(self) -> str:
        """Tells the whole rule, for records and messages."""
        start = "" if self.start is None else f", index 0 at {format_utc(self.start)}"
        cadence = "" if self.cadence is None else f", every {self.cadence.total_seconds() / 60:g} min"
        return f"{self.pattern}{start}{cadence}, {self._zone}"

    def time_of(self, name: str) -> datetime:
        """Gives the time of a frame.

        Args:
            name: File name, without folders.

        Returns:
            Time in UTC: the end of the interval the frame stands for, by JMA's convention.

        Raises:
            SeasonError: The name does not follow the pattern, or holds an impossible date.
        """
        match = self._regex.fullmatch(name)
        if match is None:
            raise SeasonError(f"{name!r} does not follow the time pattern {self.pattern!r}")
        try:
            if self._has_index and self.start is not None and self.cadence is not None:
                return self.start + int(match[1]) * self.cadence
            local = datetime.strptime("".join(match.groups()), self._format)
            return local.replace(tzinfo=self._zone).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise SeasonError(f"{name!r} holds no possible time: {error}") from error

    def name_of(self, time: datetime) -> str:
        """Makes the name of the frame of a time; the inverse of `time_of`.

        Raises:
            SeasonError: The time lies between two frames of an indexed season, or before its start.
        """
        moment = _as_utc(time)
        if self._has_index and self.start is not None and self.cadence is not None:
            index, rest = divmod(moment - self.start, self.cadence)
            if rest or index < 0:
                raise SeasonError(f"{moment:%Y-%m-%dT%H:%M:%SZ} is not a frame of {self.pattern!r}")
            return self.pattern.format(index=index)
        return moment.astimezone(self._zone).strftime(self.pattern)


def read_season(file: str | Path) -> TimeRule:
    """Reads the time rule of a season from its `season.toml`.

    Raises:
        SeasonError: The file is missing, is no TOML, or lacks the pattern.
    """
    path = Path(file)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SeasonError(f"{path}: cannot be read as a season file: {error}") from error
    pattern, start, cadence = table.get("pattern"), table.get("start"), table.get("cadence_minutes")
    if not isinstance(pattern, str):
        raise SeasonError(f'{path}: expected a line such as pattern = "%Y%m%d%H%M.png"')
    if start is not None and not isinstance(start, datetime):
        raise SeasonError(f"{path}: expected start as a date with time, received {start!r}")
    if cadence is not None and (isinstance(cadence, bool) or not isinstance(cadence, int | float)):
        raise SeasonError(f"{path}: expected cadence_minutes as a number, received {cadence!r}")
    return TimeRule(pattern, start=start, cadence_minutes=cadence, zone=str(table.get("zone", "UTC")))


def is_synthetic(folder: Path) -> bool:
    """Tells whether a computer made the frames of a folder: its `season.toml` has a table [synthetic]."""
    try:
        table = tomllib.loads((folder / SEASON_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or neither TOML nor UTF-8
        return False
    return isinstance(table.get("synthetic"), dict)


def find_gaps(times: Iterable[datetime], cadence: timedelta) -> Iterator[Gap]:
    """Finds missing frames in an ascending series of times.

    Args:
        times: Times of the frames that are there, UTC, ascending; a repeated time counts once.
        cadence: Time between frames. Distances are rounded to whole frames.

    Yields:
        One `Gap` for each run of missing frames.
    """
    previous: datetime | None = None
    for time in times:
        if previous is not None:
            missing = round((time - previous) / cadence) - 1
            if missing > 0:
                yield Gap(previous + cadence, previous + missing * cadence, missing)
        previous = time


def season_year(time: datetime) -> int:
    """Gives the starting year of the winter a time belongs to; winters are cut on 1 July, UTC."""
    moment = _as_utc(time)
    return moment.year if moment.month >= 7 else moment.year - 1


def format_utc(time: datetime) -> str:
    """Writes a time as ISO 8601 with ``Z``, to the second."""
    return _as_utc(time).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _cadence(minutes: float) -> timedelta:
    try:
        cadence = timedelta(minutes=minutes)
    except (ValueError, OverflowError):  # not a number, or endless
        cadence = timedelta(0)
    if cadence <= timedelta(0):
        raise SeasonError(f"Cadence: expected minutes above 0, received {minutes}")
    return cadence


def find_zone(zone: str) -> tzinfo:
    """Finds a time zone: ``UTC``, ``JST`` or an IANA name.

    Raises:
        SeasonError: There is none of that name.
    """
    try:
        return _FIXED_ZONES.get(zone.upper()) or ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SeasonError(f"Time zone: expected UTC, JST or a name such as Asia/Tokyo, received {zone!r}") from error
