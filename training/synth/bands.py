"""LT: parallel snow bands over the sea, along the wind (L) or across it (T)."""

from __future__ import annotations

import numpy as np

from training.synth.scene import Scene, Strength
from training.synth.textures import Field, Noise, Sampler, bands, cells, fractal, to_rate


class Bands:
    """Bands made of cells, carried by the wind, fading inland.

    Args:
        scene: The event.
        extra_db: Added to the rain rate; below 0 where bands are the background of another mode.
    """

    def __init__(self, scene: Scene, extra_db: float = 0.0) -> None:
        rng = scene.rng
        self.transversal = bool(rng.random() < scene.climate.transversal)
        if self.transversal:
            spacing, length = rng.uniform(15.0, 24.0), rng.uniform(35.0, 60.0)
            direction = scene.heading + np.pi / 2 + rng.normal(0.0, 0.15)
        else:
            spacing, length = rng.uniform(11.0, 19.0), rng.uniform(70.0, 140.0)
            direction = scene.heading + rng.normal(0.0, 0.08)
        self._noise = Noise(
            rng,
            (5.6, bands(spacing, length, direction)),
            (3.2, cells(rng.uniform(7.0, 10.0))),
            (3.0, fractal(160.0, 3.0)),
            shortest_km=5.0,
            velocity=scene.velocity,
            lifetime_h=1.8,
        )
        self._sample = Sampler(*scene.wavering(rng.uniform(6.0, 15.0)))
        self._strength = Strength(rng, scene.duration_h)
        mountains = rng.uniform(0.0, 6.0) if rng.random() < 0.6 else 0.0
        self._ground = (
            scene.event.intensity_db
            + extra_db
            - 11.0
            + 6.0 * scene.fetch()
            + scene.sea_to_land(rng.uniform(28.0, 60.0))
            + mountains * np.minimum(scene.upslope(), 1.0)
        ).astype(np.float32)

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        return to_rate(self._ground + self._strength.at(hours) + self._sample(self._noise.at(hours)))
