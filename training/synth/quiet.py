"""NO: nothing, or little that can be classified."""

from __future__ import annotations

import numpy as np

from training.synth.scene import Scene, Strength
from training.synth.textures import Field, Noise, Sampler, cells, fractal, to_rate


class Quiet:
    """An empty picture, a few stray cells, or a drifting patch of weak echo.

    Args:
        scene: The event.
    """

    def __init__(self, scene: Scene) -> None:
        rng = scene.rng
        kind = rng.choice(["empty", "cells", "patch"], p=[0.3, 0.35, 0.35])
        wind = (0.7 * scene.velocity[0], 0.7 * scene.velocity[1])
        self._sample = Sampler(*scene.wavering(10.0))
        self._strength = Strength(rng, scene.duration_h, grow_h=1.0, decay_h=1.0, restless_db=2.0)
        level, spots, areas = {
            "empty": (-28.0, 3.0, 3.0),
            "cells": (float(rng.uniform(-22.5, -16.5)), 4.5, 4.0),
            "patch": (float(rng.uniform(-18.0, -11.5)), 1.8, 5.0),
        }[str(kind)]
        self._noise = Noise(
            rng,
            (spots, cells(rng.uniform(10.0, 18.0))),
            (areas, fractal(150.0, 3.0)),
            shortest_km=6.0,
            velocity=wind,
            lifetime_h=1.5,
        )
        self._ground = np.full(scene.land.x.shape, level + 0.5 * scene.event.intensity_db, np.float32)

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        return to_rate(self._ground + self._strength.at(hours) + self._sample(self._noise.at(hours)))
