"""Moving textures: periodic Gaussian noise whose scales live and die at their own pace.

A field is a sum of plane waves. Each wave is carried by the wind and turns its phase at a random rate, faster
for small scales; so the field at any time follows from the time alone, with no state to carry from frame to
frame. That is what makes frames independent of the order in which they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Spectrum = Callable[[Field, Field], Field]
"""Gives the amplitude of waves with wave numbers ``kx``, ``ky`` (cycles per km, y southwards)."""

PERIOD_KM = 576.0
"""Textures repeat after this distance, which is more than the side of a picture of ordinary shape."""

_SAMPLES_PER_WAVE = 3.2
_SMALLEST_POWER = 1e-5
_BEND_DB = 7.5
_ROOM_DB = 8.0


class Noise:
    """Gaussian noise of mean 0 that moves and evolves.

    Args:
        rng: Source of the waves.
        parts: What the noise is made of: standard deviation of each part and its spectrum, see `fractal`,
            `cells` and `bands`. The parts are drawn together, at the price of one.
        shortest_km: Waves below this length are left out; it also sets the resolution of the tile.
        velocity: Drift in km/h, eastwards and southwards.
        lifetime_h: Hours after which waves of 20 km have forgotten themselves; others in proportion to the
            power 2/3 of their length.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *parts: tuple[float, Spectrum],
        shortest_km: float,
        velocity: tuple[float, float] = (0.0, 0.0),
        lifetime_h: float = 2.0,
    ) -> None:
        self.size = cv2.getOptimalDFTSize(int(np.ceil(_SAMPLES_PER_WAVE * PERIOD_KM / shortest_km)))
        highest = min(int(PERIOD_KM / shortest_km), self.size // 2 - 1)
        waves_y, waves_x = np.mgrid[-highest : highest + 1, : highest + 1]
        kept = (np.hypot(waves_x, waves_y) <= highest) & ((waves_x > 0) | (waves_y > 0))
        iy, ix = waves_y[kept], waves_x[kept]
        ky, kx = (iy / PERIOD_KM).astype(np.float32), (ix / PERIOD_KM).astype(np.float32)
        power = np.zeros(len(ix), np.float32)
        for deviation, spectrum in parts:
            part = spectrum(kx, ky) ** 2
            power += deviation**2 * part / part.sum()
        strong = power > _SMALLEST_POWER * power.max()
        iy, ix, ky, kx, power = iy[strong], ix[strong], ky[strong], kx[strong], power[strong]

        count = len(ix)
        weights = np.sqrt(power) * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
        wanted = sum(deviation**2 for deviation, _ in parts)
        self._weights = weights * np.sqrt(wanted / (2.0 * np.sum(np.abs(weights) ** 2)))
        self._where = (iy % self.size, ix)
        self._columns = highest + 1
        turnover = lifetime_h * (np.clip(1.0 / np.hypot(kx, ky), 2.0, 200.0) / 20.0) ** (2.0 / 3.0)
        drift = -2.0 * np.pi * (kx * velocity[0] + ky * velocity[1])
        self._turns = drift + rng.standard_normal(count) / turnover

    def at(self, hours: float) -> Field:
        """Draws one period of the field at a time, shape ``(size, size)``."""
        waves = np.zeros((self.size, self._columns), np.complex64)
        waves[self._where] = self._weights * np.exp(1j * (self._turns * hours))
        # In two steps, because the columns beyond the shortest wave are empty.
        lines = np.fft.ifft(waves, axis=0, norm="forward")
        tile: Field = np.fft.irfft(lines, n=self.size, axis=1, norm="forward").astype(np.float32, copy=False)
        return tile


class Sampler:
    """Reads textures at the points of a picture.

    Args:
        x: Eastward position of each pixel in km, any origin, shape ``(height, width)``.
        y: Southward position, same shape.
    """

    def __init__(self, x: Field, y: Field) -> None:
        self._x = np.mod(x / np.float32(PERIOD_KM), 1.0).astype(np.float32)
        self._y = np.mod(y / np.float32(PERIOD_KM), 1.0).astype(np.float32)
        self._maps: dict[int, tuple[Field, Field]] = {}

    def __call__(self, tile: Field) -> Field:
        """Samples a periodic tile; returns the shape of `x`."""
        size = tile.shape[0]
        if size not in self._maps:
            self._maps[size] = (self._x * np.float32(size), self._y * np.float32(size))
        padded = cv2.copyMakeBorder(tile, 0, 1, 0, 1, cv2.BORDER_WRAP)
        sampled: Field = cv2.remap(padded, *self._maps[size], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return sampled


def fractal(longest_km: float, slope: float) -> Spectrum:
    """Spectrum of a cloud: amplitude falls with the wave number to the power `slope`."""

    def spectrum(kx: Field, ky: Field) -> Field:
        return ((kx**2 + ky**2 + np.float32(longest_km**-2)) ** np.float32(-slope / 2)).astype(np.float32)

    return spectrum


def cells(spacing_km: float, spread: float = 0.3) -> Spectrum:
    """Spectrum of a field of cells: a ring around the spacing, `spread` its relative width."""

    def spectrum(kx: Field, ky: Field) -> Field:
        return np.exp(-0.5 * ((np.hypot(kx, ky) * spacing_km - 1.0) / spread) ** 2).astype(np.float32)

    return spectrum


def bands(spacing_km: float, length_km: float, direction: float, spread: float = 0.22) -> Spectrum:
    """Spectrum of parallel bands.

    Args:
        spacing_km: Distance between bands.
        length_km: Distance over which a band keeps its place.
        direction: Direction along the bands in radians, from east towards south.
        spread: Relative width of the spacing.
    """

    def spectrum(kx: Field, ky: Field) -> Field:
        along = kx * np.float32(np.cos(direction)) + ky * np.float32(np.sin(direction))
        across = ky * np.float32(np.cos(direction)) - kx * np.float32(np.sin(direction))
        ring = ((np.abs(across) * spacing_km - 1.0) / spread) ** 2
        return np.exp(-0.5 * (ring + (along * length_km) ** 2)).astype(np.float32)

    return spectrum


def smoothstep(value: Field, low: float, high: float) -> Field:
    """Rises smoothly from 0 at `low` to 1 at `high`."""
    t: Field = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return t * t * (np.float32(3.0) - 2 * t)


def to_rate(dbr: Field) -> Field:
    """Turns decibels of rain rate into mm/h.

    Strong values are bent over, so that snow of more than about 35 mm/h does not occur.
    """
    strong = dbr > _BEND_DB
    bent = dbr.copy()
    bent[strong] = _BEND_DB + _ROOM_DB * np.tanh((dbr[strong] - _BEND_DB) / _ROOM_DB)
    rate: Field = np.exp(bent * np.float32(np.log(10.0) / 10.0))
    return rate
