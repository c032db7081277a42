"""VX: a meso-beta vortex with spiral bands over the sea, drawing near the coast."""

from __future__ import annotations

import numpy as np

from training.synth.bands import Bands
from training.synth.scene import Scene, Strength
from training.synth.textures import PERIOD_KM, Field, Noise, Sampler, cells, fractal, to_rate


class Vortex:
    """A turning spiral, or comma, with an eye more or less clear, among weak bands.

    Args:
        scene: The event.
    """

    def __init__(self, scene: Scene) -> None:
        rng = scene.rng
        self._x, self._y = scene.land.x, scene.land.y
        self._radius = float(rng.uniform(32.0, 72.0))
        heading = scene.heading + float(rng.normal(0.1, 0.2))
        speed = min(float(rng.uniform(14.0, 32.0)), 230.0 / scene.duration_h)
        self._velocity = (speed * float(np.cos(heading)), speed * float(np.sin(heading)))
        along = float(rng.uniform(-150.0, 150.0))
        landfall = (0.79 * along + 10.0, -0.62 * along + 12.0)
        late = scene.duration_h - float(rng.uniform(0.0, 0.35)) * scene.duration_h
        self._start = (landfall[0] - self._velocity[0] * late, landfall[1] - self._velocity[1] * late)
        self._arms = int(rng.choice([1, 2, 2, 3]))
        self._winding = float(rng.uniform(0.9, 1.7))
        self._turn = 2 * np.pi / float(rng.uniform(5.0, 9.0))
        self._phase = float(rng.uniform(0, 2 * np.pi))
        self._comma = float(rng.uniform(0.5, 4.5))
        self._eye_db = float(rng.uniform(4.0, 14.0))
        self._oval = float(rng.uniform(0.75, 1.0))
        self._grain = Noise(rng, (2.6, fractal(160.0, 2.2)), (1.8, cells(26.0)), shortest_km=15.0, lifetime_h=0.8)
        self._strength = Strength(rng, scene.duration_h, grow_h=1.5, decay_h=1.5, restless_db=0.8)
        self._peak_db = scene.event.intensity_db + float(rng.uniform(2.5, 5.0))
        self._land_db = scene.sea_to_land(55.0)
        self._surroundings = Bands(scene, extra_db=float(rng.uniform(-11.0, -4.0)))

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        dx = self._x - np.float32(self._start[0] + self._velocity[0] * hours)
        dy = (self._y - np.float32(self._start[1] + self._velocity[1] * hours)) / np.float32(self._oval)
        r = np.hypot(dx, dy) / np.float32(self._radius)
        # Cyclonic: with y pointing south, the angle that grows counter-clockwise is that of (dx, -dy).
        angle = np.arctan2(-dy, dx)
        log_r = np.log(r + np.float32(0.12))
        swirl = angle + np.float32(self._winding) * log_r * 1.6 - np.float32(self._turn * hours)

        # Textures live in the coordinates of the spiral: one turn is one period, so there is no seam.
        sample = Sampler((swirl * np.float32(PERIOD_KM / (2 * np.pi))).astype(np.float32), log_r * np.float32(90.0))
        grain = sample(self._grain.at(hours))

        arms = np.cos(self._arms * (swirl - np.float32(self._phase)) + 0.2 * grain)
        spiral = 5.5 * arms * np.clip(r / 0.35, 0.2, 1.0)
        comma = self._comma * np.cos(swirl - np.float32(self._phase + 0.6)) * np.clip(r, 0.0, 1.0)
        eye = self._eye_db * np.exp(-((r / 0.2) ** 2))
        wall = 3.5 * np.exp(-(((r - 0.36) / 0.16) ** 2))
        rim = 11.0 * np.maximum(r - 0.55, 0.0) ** 2
        dbr = self._peak_db + self._strength.at(hours) - 3.0 + spiral + comma + wall - eye - rim
        dbr += grain + 0.7 * self._land_db
        vortex = to_rate(dbr.astype(np.float32))
        clear: Field = np.clip(0.25 + 0.75 * (r - 0.7), 0.1, 1.0)
        return vortex + clear * self._surroundings.rate(hours)
