"""Times as people read them: in the zone of the settings, UTC beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from radar.seasons import find_zone, format_utc
from serving.sidecar.pages.language import Words

TOO_OLD = timedelta(days=2)
"""Frames older than this are no longer late: the winter is over, or the folder is one of research."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times of one zone.

    Attributes:
        name: As the settings call it: ``JST``, ``UTC`` or an IANA name.
        zone: The zone.
    """

    name: str
    zone: tzinfo

    @classmethod
    def of(cls, name: str) -> Clock:
        """Gives the clock of a zone.

        Raises:
            SeasonError: There is no such zone.
        """
        return cls(name, find_zone(name))

    @property
    def label(self) -> str:
        """The zone in few letters, for axes."""
        return self.name.rpartition("/")[2].replace("_", " ")

    def local(self, seconds: int) -> datetime:
        """Gives a time of the store, seconds since 1970, in the zone."""
        return datetime.fromtimestamp(seconds, UTC).astimezone(self.zone)

    def minute(self, seconds: int) -> str:
        """Writes date and time of day with the zone."""
        return f"{self.local(seconds):%Y-%m-%d %H:%M} {self.label}"

    def day(self, seconds: int) -> str:
        """Writes the date."""
        return f"{self.local(seconds):%Y-%m-%d}"

    def hour(self, seconds: int) -> str:
        """Writes the time of day."""
        return f"{self.local(seconds):%H:%M}"

    def utc(self, seconds: int) -> str:
        """Writes the time in UTC, for machines and tooltips."""
        return format_utc(datetime.fromtimestamp(seconds, UTC))


def describe_age(words: Words, seconds: float) -> str:
    """Tells an age in the largest unit that leaves a number a person has a feeling for."""
    if seconds < -60:
        return words("age.ahead")
    minutes = seconds / 60
    if minutes < 2:
        return words("age.now")
    if minutes < 120:
        return words("age.minutes", n=round(minutes))
    if minutes < 2 * 1440:
        return words("age.hours", n=round(minutes / 60))
    return words("age.days", n=f"{minutes / 1440:,.0f}")


def describe_hours(words: Words, hours: float) -> str:
    """Tells a duration in minutes, hours or days."""
    if hours < 2:
        return words("age.span_minutes", n=round(hours * 60))
    if hours < 100:
        return words("age.span_hours", n=f"{hours:.1f}")
    return words("age.span_days", n=f"{hours / 24:.1f}")
