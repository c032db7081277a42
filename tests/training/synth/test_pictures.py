"""What the frames of each mode look like, in numbers."""

import subprocess
import sys

import numpy as np
import pytest

from radar.palette import rate_to_class
from training.synth.climate import MODES, plan_winter
from training.synth.echoes import WinterEchoes
from training.synth.geography import make_geography
from training.synth.textures import PERIOD_KM, Noise, Sampler, bands, cells, fractal
from training.synth.trouble import Trouble
from training.synth.winter import render

SIZE = (100, 100)
EVENTS_A_MODE = 8


@pytest.fixture(scope="module")
def winter():
    return plan_winter(11, 2015)


@pytest.fixture(scope="module")
def pictures(winter):
    """Two successive frames from the middle of some events of each mode, shape (events, 2, height, width)."""
    result = {}
    for mode in MODES:
        events = [event for event in winter.events if event.mode == mode][:EVENTS_A_MODE]
        result[mode] = np.array(
            [
                list(render(winter, [middle, middle + 1], SIZE))
                for middle in [(event.start + event.end) // 2 for event in events]
            ]
        )
    return result


def echo_fraction(frames):
    return float((frames > 0).mean())


def test_quiet_frames_have_little_echo(pictures):
    assert echo_fraction(pictures["NO"]) < 0.1
    for mode in set(MODES) - {"NO"}:
        assert echo_fraction(pictures[mode]) > 2 * echo_fraction(pictures["NO"])


def test_a_low_covers_more_than_a_vortex(pictures):
    assert echo_fraction(pictures["SY"]) > 0.6
    assert (pictures["SY"] > 1).mean() > 2 * (pictures["VX"] > 1).mean()


def test_bands_stay_over_the_sea_and_slopes_hold_snow_inland(pictures):
    inland = make_geography(*SIZE).inland
    bands_seen = pictures["LT"] > 0
    assert bands_seen[..., inland < 0].mean() > 3 * bands_seen[..., inland > 60].mean()
    assert (pictures["DM"] > 0)[..., inland > 25].mean() > 0.02


def test_successive_frames_are_more_alike_than_events(pictures):
    for mode in ("SY", "VX", "LT", "DM"):
        frames = pictures[mode].astype(float)
        step = np.abs(frames[:, 1] - frames[:, 0]).mean()
        apart = np.abs(frames[:, 0] - np.roll(frames[:, 0], 1, axis=0)).mean()
        assert step < 0.75 * apart, mode


def test_one_event_passes_into_the_next_without_a_jump(winter):
    land = make_geography(*SIZE)
    echoes = WinterEchoes(winter, land)
    low = next(e for e in winter.events if e.mode == "SY" and e.number > 0)
    before = winter.events[low.number - 1]
    last, first = echoes.rate(before, low.start - 1), echoes.rate(low, low.start)
    alone = [echoes.rate(before, low.start - 20), echoes.rate(low, low.start + 20)]
    jump = np.abs(rate_to_class(last).astype(int) - rate_to_class(first)).mean()
    apart = np.abs(rate_to_class(alone[0]).astype(int) - rate_to_class(alone[1])).mean()
    assert jump < 0.75 * apart


def test_rates_are_finite_and_of_snow(winter):
    echoes = WinterEchoes(winter, make_geography(*SIZE))
    for mode in MODES:
        event = next(e for e in winter.events if e.mode == mode)
        rate = echoes.rate(event, (event.start + event.end) // 2)
        assert rate.dtype == np.float32
        assert rate.shape == SIZE
        assert np.isfinite(rate).all()
        assert 0 <= rate.min() <= rate.max() < 80


def test_pictures_of_other_shapes_can_be_drawn(winter):
    for size in [(60, 48), (48, 60), (41, 37)]:
        (picture,) = render(winter, [3000], size)
        assert picture.shape == size
        assert picture.dtype == np.uint8


def test_a_missing_radar_shows_no_echo_and_clutter_stays_in_its_places(winter):
    land = make_geography(*SIZE)
    trouble = Trouble(winter, land)
    outage = next(o for o in trouble.outages if o.half_width > 3)
    full = np.full(SIZE, 2.0, np.float32)
    spoilt = trouble.apply(full, outage.start)
    assert np.all(spoilt[land.nearest_radar == outage.radar] == 0)
    assert full.min() == 2.0
    # The median over days leaves out speckle.
    empty = [trouble.apply(np.zeros(SIZE, np.float32), slot) > 0 for slot in range(0, 3000, 60)]
    often = np.mean(empty, axis=0)
    assert 0 < (often > 0.2).mean() < 0.05


def test_noise_repeats_drifts_and_forgets():
    rng = np.random.default_rng(1)
    noise = Noise(rng, (2.0, cells(20.0)), (1.0, fractal(150.0, 3.0)), shortest_km=10.0, velocity=(36.0, 0.0))
    now, soon, later = noise.at(0.0), noise.at(1 / 6), noise.at(12.0)
    assert now.dtype == np.float32
    assert np.std(now) == pytest.approx(np.sqrt(5.0), rel=0.02)
    y, x = np.mgrid[:50, :50].astype(np.float32) * 2
    here, there = Sampler(x, y)(now), Sampler(x + np.float32(PERIOD_KM), y)(now)
    assert np.allclose(here, there, atol=0.02)
    followed = Sampler(x + 6, y)(soon)
    assert np.corrcoef(here.ravel(), followed.ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(now.ravel(), later.ravel())[0, 1]) < 0.3


def test_bands_lie_along_their_direction():
    tile = Noise(np.random.default_rng(1), (1.0, bands(18.0, 100.0, 0.0)), shortest_km=8.0).at(0.0)
    along, across = np.diff(tile, axis=1).std(), np.diff(tile, axis=0).std()
    assert across > 4 * along


def test_tensorflow_stays_out():
    code = "import sys, training.synth; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
