"""SY: the broad precipitation of a passing low, with warm and cold front."""

from __future__ import annotations

import cv2
import numpy as np

from training.synth.scene import Scene, Strength
from training.synth.textures import Field, Noise, Sampler, fractal, to_rate


class Low:
    """A low that crosses the picture from the west.

    Positions are taken relative to the moving centre: `ahead` along its track, `left` of it (northwards).

    Args:
        scene: The event.
    """

    def __init__(self, scene: Scene) -> None:
        rng = scene.rng
        self._heading = float(np.deg2rad(rng.normal(-14.0, 14.0)))
        self._speed = float(rng.uniform(28.0, 55.0))
        travel = self._speed * scene.duration_h
        self._length = float(np.clip(travel / 2 - 60.0, 190.0, 520.0))
        self._breadth = float(rng.uniform(190.0, 330.0))
        self._offset = float(rng.uniform(-170.0, 130.0))
        self._middle_h = scene.duration_h / 2 + float(rng.normal(0.0, 0.6))
        drift = (self._speed * float(np.cos(self._heading)), self._speed * float(np.sin(self._heading)))
        self._clouds = Noise(rng, (1.0, fractal(220.0, 3.2)), shortest_km=18.0, velocity=drift, lifetime_h=2.5)
        self._grain = Noise(rng, (1.0, fractal(40.0, 2.4)), shortest_km=5.0, velocity=drift, lifetime_h=1.2)
        self._sample = Sampler(scene.land.x, scene.land.y)
        x, y = scene.wavering(18.0)
        self._coarse_x, self._coarse_y = x[::2, ::2].copy(), y[::2, ::2].copy()
        self._sample_coarsely = Sampler(scene.land.x[::2, ::2], scene.land.y[::2, ::2])
        self._strength = Strength(rng, scene.duration_h, grow_h=2.0, decay_h=2.5, restless_db=0.9)
        self._cold_front_db = float(rng.uniform(3.0, 8.5)) * (rng.random() < 0.7)
        self._cold_front_km = float(rng.uniform(9.0, 17.0))
        self._bend = float(rng.uniform(0.2, 0.6))
        self._warm_band_db = float(rng.uniform(2.0, 5.5))
        self._warm_band_km = float(rng.uniform(45.0, 85.0))
        self._grain_db = float(rng.uniform(1.2, 2.6))
        self._ground = (
            scene.event.intensity_db
            + rng.uniform(0.5, 3.0)
            + rng.uniform(0.0, 3.0) * np.minimum(scene.upslope(), 1.2)
        ).astype(np.float32)

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        height, width = self._ground.shape
        broad = cv2.resize(self._broad(hours), (width, height), interpolation=cv2.INTER_LINEAR)
        grain = np.float32(self._grain_db) * self._sample(self._grain.at(hours))
        return to_rate(self._ground + np.float32(self._strength.at(hours)) + broad + grain)

    def _broad(self, hours: float) -> Field:
        """Gives the smooth part, decibels, at every second pixel of every second row."""
        x, y = self._coarse_x, self._coarse_y
        path = self._speed * (hours - self._middle_h)
        cos, sin = np.float32(np.cos(self._heading)), np.float32(np.sin(self._heading))
        ahead = x * cos + y * sin - np.float32(path)
        left = x * sin - y * cos - np.float32(self._offset)
        shield = (ahead / self._length) ** 2 + (left / self._breadth) ** 2
        clouds = self._sample_coarsely(self._clouds.at(hours))
        dbr: Field = np.float32(3.2) * clouds - np.float32(9.0) * shield * np.sqrt(shield)

        front = ahead - 55.0 + 0.0012 * left**2 + 10.0 * clouds
        warm = np.exp(-((front / self._warm_band_km) ** 2)) * (0.6 + 0.4 * np.cos(front / 11.0))
        dbr += self._warm_band_db * warm
        if self._cold_front_db > 0:
            south = np.clip(-left / 60.0 + 0.4, 0.0, 1.0)
            trail = ahead + 40.0 - self._bend * left + 6.0 * clouds
            line = np.exp(-((trail / self._cold_front_km) ** 2))
            behind = np.clip(-(trail + self._cold_front_km) / 50.0, 0.0, 1.0)
            dbr += south * (self._cold_front_db * line - 7.0 * behind)
        return dbr
