"""What spoils real composites: ground clutter, missing radars, speckle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synth.climate import Winter
from training.synth.geography import RADARS, Geography
from training.synth.textures import Field

_CLUTTER_SEED = 20051201
_CLUTTER_SPOTS = 420
_OUTAGES, _FRAME = 4, 5
_OUTAGES_A_WINTER = 14
_SPECKLE_CHANCE = 0.02


@dataclass(frozen=True, slots=True)
class Outage:
    """A radar, or a sector of it, that sends nothing for some hours.

    Attributes:
        radar: Index into the radars of the land.
        start: First slot.
        end: Slot after the last.
        azimuth: Middle of the sector, radians; the picture north of the radar is at -pi/2.
        half_width: Half the sector's angle, radians; pi for the whole radar.
    """

    radar: int
    start: int
    end: int
    azimuth: float
    half_width: float


class Trouble:
    """Spoils rain rates the way a winter of observation does.

    Args:
        winter: The winter.
        land: The land at the pixels.
    """

    def __init__(self, winter: Winter, land: Geography) -> None:
        self._winter = winter
        self._land = land
        self.outages = _draw_outages(winter)
        self._rows, self._columns, self._often = _place_clutter(land)

    def apply(self, rate: Field, slot: int) -> Field:
        """Gives the rain rate with clutter, speckle and missing sectors, mm/h; `rate` stays as it is."""
        spoilt = rate.copy()
        rng = self._winter.random(_FRAME, slot)
        hours = slot * self._winter.slot_h
        # Clutter comes with the propagation of the beam, so it swells and fades over hours, not frames.
        swell = 0.55 + 0.45 * np.sin(2 * np.pi * hours / 31.0) * np.sin(2 * np.pi * hours / 6.7)
        seen = rng.random(len(self._often)) < self._often * swell
        strength = np.exp(rng.normal(0.0, 1.0, len(self._often))).astype(np.float32)
        where = (self._rows[seen], self._columns[seen])
        spoilt[where] = np.maximum(spoilt[where], strength[seen])
        if rng.random() < _SPECKLE_CHANCE:
            count = int(rng.integers(20, 200))
            rows = rng.integers(0, rate.shape[0], count)
            spoilt[rows, rng.integers(0, rate.shape[1], count)] = np.exp(rng.normal(0.5, 1.2, count))
        for outage in self.outages:
            if outage.start <= slot < outage.end:
                spoilt[self._blind(outage)] = 0.0
        return spoilt

    def _blind(self, outage: Outage) -> NDArray[np.bool_]:
        radar = RADARS[outage.radar]
        azimuth = np.arctan2(self._land.y - radar.y, self._land.x - radar.x)
        turn = np.abs(np.angle(np.exp(1j * (azimuth - outage.azimuth))))
        blind: NDArray[np.bool_] = (self._land.nearest_radar == outage.radar) & (turn <= outage.half_width)
        return blind


def _draw_outages(winter: Winter) -> tuple[Outage, ...]:
    rng = winter.random(_OUTAGES)
    outages = []
    for _ in range(int(rng.poisson(_OUTAGES_A_WINTER))):
        start = int(rng.integers(0, winter.slots))
        length = round(float(rng.uniform(1.0, 14.0)) / winter.slot_h)
        whole = rng.random() < 0.5
        outages.append(
            Outage(
                radar=int(rng.integers(len(RADARS))),
                start=start,
                end=start + length,
                azimuth=float(rng.uniform(-np.pi, np.pi)),
                half_width=float(np.pi if whole else rng.uniform(0.15, 0.6)),
            )
        )
    return tuple(outages)


def _place_clutter(
    land: Geography,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Places clutter near the radars and on high mountains; the same places in all winters."""
    rng = np.random.default_rng(_CLUTTER_SEED)
    height, width = land.x.shape
    near = np.min([np.hypot(land.x - radar.x, land.y - radar.y) for radar in RADARS], axis=0)
    weight = np.exp(-near / 6.0) + 0.12 * np.clip(land.height / 2500.0 - 0.5, 0.0, 1.0)
    weight = (weight / weight.sum()).ravel()
    count = min(_CLUTTER_SPOTS, height * width // 8)
    spots = rng.choice(height * width, count, replace=False, p=weight)
    rows, columns = np.unravel_index(spots, (height, width))
    return rows, columns, rng.beta(0.8, 1.6, count)
