"""The course of a winter: which mode reigns when, under which wind, all drawn from the seed.

Durations, shares and the order of modes are plausible inventions, tuned by eye; the modes themselves follow the
description of Nakai et al. (2005, SOLA 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from radar.modes import SNOWFALL_MODES

MODES = tuple(mode.code for mode in SNOWFALL_MODES)

_SHARES = {"SY": 0.25, "VX": 0.06, "LT": 0.30, "DM": 0.15, "NO": 0.24}
_DURATIONS_H = {"SY": (8, 24), "VX": (3, 10), "LT": (6, 30), "DM": (3, 20), "NO": (3, 40)}
# How the share of a mode changes from November and March (-) to late January (+).
_MIDWINTER = {"SY": -0.3, "VX": 0.3, "LT": 0.4, "DM": 0.3, "NO": -0.5}
# After a low comes the cold outbreak; bands give way to convergence bands, vortices or quiet weather.
_AFTER = {
    "SY": {"LT": 2.2, "VX": 2.0, "DM": 1.2, "NO": 0.7},
    "VX": {"LT": 2.5, "DM": 1.5, "NO": 0.4, "SY": 0.2},
    "LT": {"DM": 2.0, "NO": 1.2, "VX": 1.5, "SY": 0.7},
    "DM": {"LT": 1.8, "NO": 1.4, "VX": 1.0, "SY": 0.7},
    "NO": {"SY": 2.6, "LT": 0.8, "DM": 0.8, "VX": 0.3},
}
_MODELLED_SHORTEST_H = 3.0
_TIMELINE, _EVENT = 1, 2


@dataclass(frozen=True, slots=True)
class Climate:
    """What sets one winter apart from others.

    Attributes:
        shares: Share of time of each mode that the timeline aims at.
        wind_from: Prevailing direction the wind comes from in cold outbreaks, degrees.
        intensity_db: Added to all rain rates of the winter, decibels.
        transversal: Share of LT events whose bands lie across the wind.
        convergence: Share of DM events that are a convergence band rather than echo on slopes.
    """

    shares: dict[str, float]
    wind_from: float
    intensity_db: float
    transversal: float
    convergence: float


@dataclass(frozen=True, slots=True)
class Event:
    """A run of frames of one mode.

    Attributes:
        number: Place in the winter, from 0.
        mode: Code of the mode.
        start: First slot.
        end: Slot after the last.
        wind_from: Direction the wind comes from, degrees.
        wind_speed: Wind that carries the echoes, km/h.
        intensity_db: Added to the event's rain rates, decibels.
        blend_h: Hours over which this event replaces the one before.
    """

    number: int
    mode: str
    start: int
    end: int
    wind_from: float
    wind_speed: float
    intensity_db: float
    blend_h: float

    @property
    def name(self) -> str:
        """Name as written in label files, such as ``LT-0012``."""
        return f"{self.mode}-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Winter:
    """The whole course of a winter, whichever part of it is drawn.

    Attributes:
        seed: Seed the winter was drawn from.
        year: Year in which it starts.
        start: Time of slot 0, UTC.
        slot_h: Hours between slots.
        slots: Number of slots until 1 April.
        climate: What sets the winter apart.
        events: Without gaps, from slot 0 to the last.
    """

    seed: int
    year: int
    start: datetime
    slot_h: float
    slots: int
    climate: Climate
    events: tuple[Event, ...]

    def random(self, stream: int, number: int = 0) -> np.random.Generator:
        """Gives the random numbers of one purpose, for example of one event."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.year, stream, number]))

    def random_of(self, event: Event) -> np.random.Generator:
        """Gives the random numbers of an event, the same whichever process asks and how often."""
        return self.random(_EVENT, event.number)


def plan_winter(seed: int, year: int, cadence_minutes: int = 10) -> Winter:
    """Draws the course of a winter from 1 November to 31 March.

    Args:
        seed: Seed; with `year` it decides everything.
        year: Year in which the winter starts.
        cadence_minutes: Minutes between slots.

    Returns:
        The winter.
    """
    start = datetime(year, 11, 1, tzinfo=UTC)
    slots = int((datetime(year + 1, 4, 1, tzinfo=UTC) - start).total_seconds()) // (60 * cadence_minutes)
    rng = np.random.default_rng(np.random.SeedSequence([seed, year, _TIMELINE]))
    climate = _draw_climate(rng)
    events = _draw_events(rng, climate, slots, cadence_minutes / 60)
    return Winter(seed, year, start, cadence_minutes / 60, slots, climate, events)


def _draw_climate(rng: np.random.Generator) -> Climate:
    drawn = rng.dirichlet([90.0 * _SHARES[mode] for mode in MODES])
    shares = np.maximum(drawn, 0.04)
    shares /= shares.sum()
    return Climate(
        shares=dict(zip(MODES, shares.tolist(), strict=True)),
        wind_from=float(rng.normal(308.0, 7.0)),
        intensity_db=float(np.clip(rng.normal(0.0, 0.8), -1.6, 1.6)),
        transversal=float(rng.uniform(0.25, 0.5)),
        convergence=float(rng.uniform(0.4, 0.65)),
    )


def _draw_events(rng: np.random.Generator, climate: Climate, slots: int, slot_h: float) -> tuple[Event, ...]:
    events: list[Event] = []
    wanted = dict.fromkeys(MODES, 0.0)
    had = dict.fromkeys(MODES, 0.0)
    turn = 0.0
    mode, slot = str(rng.choice(["NO", "SY"])), 0
    while slot < slots:
        low, high = _DURATIONS_H[mode]
        length = round((low + (high - low) * rng.beta(1.4, 2.6)) / slot_h)
        end = min(slot + length, slots)
        if slots - end < _MODELLED_SHORTEST_H / slot_h:
            end = slots
        turn = 0.6 * turn + rng.normal(0.0, 13.0)
        events.append(
            Event(
                number=len(events),
                mode=mode,
                start=slot,
                end=end,
                wind_from=float(np.clip(climate.wind_from + turn, 268.0, 356.0)),
                wind_speed=float(np.clip(rng.normal(44.0, 11.0), 20.0, 75.0)),
                intensity_db=float(climate.intensity_db + np.clip(rng.normal(0.0, 1.5), -3.0, 3.0)),
                blend_h=float(rng.uniform(0.5, 2.0)),
            )
        )
        hours = (end - slot) * slot_h
        midwinter = np.cos(np.pi * ((slot + end) / 2 / slots - 0.55) / 0.55)
        pull = {m: climate.shares[m] * (1.0 + _MIDWINTER[m] * midwinter) for m in MODES}
        for m in MODES:
            wanted[m] += hours * pull[m] / sum(pull.values())
        had[mode] += hours
        chances = np.array([_chance(m, mode, pull[m], wanted[m] - had[m]) for m in MODES])
        mode, slot = str(rng.choice(MODES, p=chances / chances.sum())), end
    return tuple(events)


def _chance(mode: str, previous: str, share: float, owed_h: float) -> float:
    """Weighs a mode as the next: by what usually follows, and by how many hours it is behind its share."""
    low, high = _DURATIONS_H[mode]
    mean_h = low + (high - low) * 0.35
    return _AFTER[previous].get(mode, 0.0) * share / mean_h * float(np.exp(np.clip(owed_h / (2 * mean_h), -3, 3)))
