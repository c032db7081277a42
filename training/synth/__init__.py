"""Labelled synthetic winters: they show that the machinery works, never how good it is on real snow.

The shapes are inspired by the snowfall modes that Nakai et al. (2005, SOLA 1) describe and were tuned by eye.
"""

from training.synth.winter import SynthError, WinterSummary, make_winter

__all__ = ["SynthError", "WinterSummary", "make_winter"]
