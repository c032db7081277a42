"""What every mode starts from: the event, the land below it, its wind and the course of its strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.synth.climate import Climate, Event
from training.synth.geography import Geography
from training.synth.textures import Field, smoothstep

_WEAK_PHASE_CHANCE = 0.3


class Echo(Protocol):
    """The echo of one event."""

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""


class Strength:
    """How the strength of an event comes, wavers and goes.

    Args:
        rng: Source of the course.
        duration_h: Hours from first to last slot.
        grow_h: Hours of growth at the beginning.
        decay_h: Hours of decay at the end.
        restless_db: Standard deviation of the wavering, decibels.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        duration_h: float,
        *,
        grow_h: float = 1.5,
        decay_h: float = 2.0,
        restless_db: float = 1.3,
    ) -> None:
        self._duration = duration_h
        self._grow = min(grow_h, duration_h / 3)
        self._decay = min(decay_h, duration_h / 3)
        self._turns = 2 * np.pi / rng.uniform(2.5, 12.0, 4)
        self._phases = rng.uniform(0, 2 * np.pi, 4)
        self._restless = restless_db / np.sqrt(2.0)
        self._dip_at = rng.uniform(0.2, 0.8) * duration_h
        self._dip_db = rng.uniform(4.0, 8.0) * (rng.random() < _WEAK_PHASE_CHANCE)
        self._dip_h = rng.uniform(0.6, 1.5)

    def at(self, hours: float) -> float:
        """Gives decibels to add at a time."""
        rise = 1.0 - np.clip(hours / self._grow, 0.0, 1.0)
        fall = 1.0 - np.clip((self._duration - hours) / self._decay, 0.0, 1.0)
        waver = self._restless * np.sin(self._turns * hours + self._phases).sum()
        dip = self._dip_db * np.exp(-(((hours - self._dip_at) / self._dip_h) ** 2))
        return float(waver - 4.0 * rise**2 - 5.0 * fall**2 - dip)


@dataclass(frozen=True, slots=True)
class Scene:
    """An event and its surroundings.

    Attributes:
        land: The land.
        event: The event.
        climate: Climate of the winter.
        duration_h: Hours from first to last slot.
        rng: Random numbers of the event.
    """

    land: Geography
    event: Event
    climate: Climate
    duration_h: float
    rng: np.random.Generator

    @property
    def heading(self) -> float:
        """Direction the wind blows to, radians from east towards south."""
        return float(np.deg2rad(self.event.wind_from + 90.0))

    @property
    def velocity(self) -> tuple[float, float]:
        """Wind in km/h, eastwards and southwards."""
        speed = self.event.wind_speed
        return speed * float(np.cos(self.heading)), speed * float(np.sin(self.heading))

    def upslope(self) -> Field:
        """Gives how steeply the wind climbs: about 1 on a windward slope, 0 in lee and at sea."""
        cos, sin = np.float32(np.cos(self.heading)), np.float32(np.sin(self.heading))
        climb: Field = np.clip((self.land.slope_x * cos + self.land.slope_y * sin) / 45.0, 0.0, 1.6)
        return climb

    def sea_to_land(self, reach_km: float) -> Field:
        """Gives decibels that fade convective snow with the distance it has drifted inland."""
        inland = np.maximum(self.land.inland, 0.0)
        return (-9.0 * np.minimum((inland / reach_km) ** 1.5, 4.0)).astype(np.float32)

    def wavering(self, amplitude_km: float) -> tuple[Field, Field]:
        """Gives pixel positions gently bent, so that straight patterns look grown rather than ruled."""
        x, y = self.land.x, self.land.y
        bent = []
        for place in (x, y):
            shift = np.zeros_like(x)
            for _ in range(3):
                turn, phase = self.rng.uniform(0, 2 * np.pi, 2)
                k = 2 * np.pi / self.rng.uniform(160.0, 420.0)
                shift += np.sin(
                    x * np.float32(k * np.cos(turn)) + y * np.float32(k * np.sin(turn)) + np.float32(phase)
                )
            bent.append(place + shift * np.float32(amplitude_km / 1.5))
        return bent[0], bent[1]

    def fetch(self) -> Field:
        """Gives how far over the sea the air has come, 0 upstream to 1 near the coast."""
        cos, sin = np.float32(np.cos(self.heading)), np.float32(np.sin(self.heading))
        return smoothstep(self.land.x * cos + self.land.y * sin, -330.0, 40.0)
