"""Echoes of a winter: each event by its mode, and the passage from one event to the next.

The shapes follow the words in which Nakai et al. (2005, SOLA 1) describe snowfall modes; sizes and strengths
were tuned by eye. They are drawings of weather, no simulation of it.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from training.synth.bands import Bands
from training.synth.climate import Event, Winter
from training.synth.convergence import Line, Slopes
from training.synth.geography import Geography
from training.synth.quiet import Quiet
from training.synth.scene import Echo, Scene
from training.synth.synoptic import Low
from training.synth.textures import Field
from training.synth.vortex import Vortex

_KEPT = 3


def make_echo(winter: Winter, event: Event, land: Geography) -> Echo:
    """Makes the echo of an event; the same event gives the same echo anywhere."""
    rng = winter.random_of(event)
    scene = Scene(land, event, winter.climate, (event.end - event.start) * winter.slot_h, rng)
    match event.mode:
        case "SY":
            return Low(scene)
        case "VX":
            return Vortex(scene)
        case "LT":
            return Bands(scene)
        case "DM":
            return Line(scene) if rng.random() < winter.climate.convergence else Slopes(scene)
        case "NO":
            return Quiet(scene)
        case mode:
            raise ValueError(f"Mode of an event: expected one of SY, VX, LT, DM, NO, received: {mode!r}")


class WinterEchoes:
    """Rain rate of a winter at any slot.

    Args:
        winter: The winter.
        land: The land at the pixels.
    """

    def __init__(self, winter: Winter, land: Geography) -> None:
        self._winter = winter
        self._land = land
        self._echoes: OrderedDict[int, Echo] = OrderedDict()

    def rate(self, event: Event, slot: int) -> Field:
        """Gives the rain rate at a slot of an event.

        Near its beginning and end the event shares the picture with its neighbour; it always has the
        larger share, so that the label is that of the dominant one.

        Args:
            event: The event the slot belongs to.
            slot: The slot.

        Returns:
            Rain rate in mm/h, shape ``(height, width)``.
        """
        events, slot_h = self._winter.events, self._winter.slot_h
        neighbour, share = None, 0.0
        if event.number > 0:
            neighbour = events[event.number - 1]
            share = _share_left((slot + 0.5 - event.start) * slot_h, event.blend_h)
        if event.number + 1 < len(events):
            following = events[event.number + 1]
            taken = _share_left((event.end - 0.5 - slot) * slot_h, following.blend_h)
            if taken > share:
                neighbour, share = following, taken
        rate = self._rate_alone(event, slot)
        if neighbour is None or share <= 0.0:
            return rate
        return (rate * np.float32(1.0 - share) + self._rate_alone(neighbour, slot) * np.float32(share)).astype(
            np.float32
        )

    def _rate_alone(self, event: Event, slot: int) -> Field:
        if event.number not in self._echoes:
            self._echoes[event.number] = make_echo(self._winter, event, self._land)
            while len(self._echoes) > _KEPT:
                self._echoes.popitem(last=False)
        return self._echoes[event.number].rate((slot - event.start) * self._winter.slot_h)


def _share_left(hours: float, blend_h: float) -> float:
    """Gives the neighbour's share of the picture, `hours` from the border between two events."""
    part = float(np.clip(0.5 - hours / blend_h, 0.0, 0.5))
    return part * part * (3.0 - 2.0 * part)
