"""DM: a single convergence band from the sea, or echo held on mountain slopes."""

from __future__ import annotations

import numpy as np

from training.synth.bands import Bands
from training.synth.scene import Scene, Strength
from training.synth.textures import Field, Noise, Sampler, cells, fractal, smoothstep, to_rate


class Line:
    """A thick, slowly wavering band from the sea to the coast, like that of the JPCZ.

    Args:
        scene: The event.
    """

    def __init__(self, scene: Scene) -> None:
        rng = scene.rng
        self._heading = float(np.deg2rad(rng.uniform(2.0, 58.0)))
        cos, sin = np.cos(self._heading), np.sin(self._heading)
        place = float(rng.uniform(-140.0, 140.0))
        anchor = (0.79 * place + 10.0, -0.62 * place + 12.0)
        self._along = ((scene.land.x - anchor[0]) * cos + (scene.land.y - anchor[1]) * sin).astype(np.float32)
        self._across = ((scene.land.y - anchor[1]) * cos - (scene.land.x - anchor[0]) * sin).astype(np.float32)
        self._drift = float(rng.normal(0.0, 3.0))
        self._half_km = float(rng.uniform(7.0, 15.0))
        self._lengths = rng.uniform(90.0, 320.0, 4).tolist()
        self._speeds = rng.uniform(10.0, 30.0, 4).tolist()
        self._phases = rng.uniform(0, 2 * np.pi, 4).tolist()
        self._sway = float(rng.uniform(3.0, 8.0))
        speed = 0.8 * scene.event.wind_speed
        drift = (speed * float(cos), speed * float(sin))
        self._noise = Noise(
            rng,
            (2.6, fractal(60.0, 2.4)),
            (2.4, cells(rng.uniform(8.0, 12.0))),
            shortest_km=5.5,
            velocity=drift,
            lifetime_h=1.2,
        )
        self._sample = Sampler(scene.land.x, scene.land.y)
        self._strength = Strength(rng, scene.duration_h, restless_db=1.2)
        reach = -3.0 * np.maximum(scene.land.inland / float(rng.uniform(25.0, 45.0)), 0.0) ** 1.5
        begins = float(rng.uniform(-420.0, -170.0))
        begin = -12.0 * (1.0 - smoothstep(self._along, begins, begins + 70.0))
        self._ground = (
            scene.event.intensity_db + 2.5 + np.maximum(reach, -40.0) + begin + 3.0 * scene.upslope()
        ).astype(np.float32)
        self._surroundings = Bands(scene, extra_db=float(rng.uniform(-13.0, -5.5)))

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        noise = self._sample(self._noise.at(hours))
        sway = np.zeros_like(self._along)
        for length, speed, phase in zip(self._lengths, self._speeds, self._phases, strict=True):
            sway += np.sin(2 * np.pi * (self._along - speed * hours) / length + phase).astype(np.float32)
        offset = self._across - self._drift * hours - self._sway * sway + noise
        narrow = (np.abs(offset) / self._half_km) ** 1.5
        wide = (np.abs(offset) / (2.3 * self._half_km)) ** 2
        core = 4.5 * np.exp(-narrow)
        dbr = self._ground + self._strength.at(hours) + core - 9.0 * np.minimum(wide, 5.0)
        dbr += noise
        return (to_rate(dbr.astype(np.float32)) + self._surroundings.rate(hours)).astype(np.float32)


class Slopes:
    """Snow that forms where the wind climbs the mountains and stays there.

    Args:
        scene: The event.
    """

    def __init__(self, scene: Scene) -> None:
        rng = scene.rng
        wind = (0.5 * scene.velocity[0], 0.5 * scene.velocity[1])
        climb = np.minimum(scene.upslope(), 1.3)
        tall = np.clip(scene.land.height / 2000.0, 0.0, 1.2)
        hold = np.sqrt(np.clip(0.75 * climb + 0.55 * tall, 0.0, 1.6))
        plain = smoothstep(scene.land.inland, -25.0, 20.0)
        lee = smoothstep(scene.land.inland, 85.0, 135.0)
        self._ground = (
            scene.event.intensity_db
            - 17.5
            + rng.uniform(1.0, 4.0) * plain
            + rng.uniform(14.0, 17.0) * hold
            - 8.0 * lee
        ).astype(np.float32)
        self._noise = Noise(
            rng,
            (2.4, fractal(70.0, 2.4)),
            (2.2, cells(rng.uniform(7.0, 11.0))),
            (2.4, fractal(180.0, 3.5)),
            shortest_km=5.0,
            velocity=wind,
            lifetime_h=1.0,
        )
        self._sample = Sampler(scene.land.x, scene.land.y)
        self._strength = Strength(rng, scene.duration_h, restless_db=1.5)
        self._surroundings = Bands(scene, extra_db=float(rng.uniform(-12.0, -5.0)))

    def rate(self, hours: float) -> Field:
        """Gives the rain rate in mm/h at the pixels, `hours` after the event's first slot."""
        dbr = self._ground + self._strength.at(hours) + self._sample(self._noise.at(hours))
        return (to_rate(dbr.astype(np.float32)) + self._surroundings.rate(hours)).astype(np.float32)
