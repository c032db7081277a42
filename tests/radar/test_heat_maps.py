"""Means of heat maps against NumPy, and pictures of heat maps against what they should show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.heat_map_pictures import CAPTION, ModeFace, Sheet, fit, overlay, panel, sheet, single
from radar.heat_maps import Composite, EchoShare, Moments, has_echo, to_unit_peak
from radar.lettering import ink, rgb, width_of

SHAPE = (3, 4, 5)
MODES = (ModeFace("LT", "#009E73"), ModeFace("NO", "#BBBBBB"), ModeFace("SY", "#0072B2"))


def some_maps(seed: int, count: int, *, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    maps = np.maximum(rng.normal(0, 1, (count, *SHAPE)), 0).astype(np.float32) + np.float32(offset)
    return maps, rng.random((count, SHAPE[0])) < 0.6


@given(st.integers(0, 1000), st.lists(st.integers(0, 7), min_size=1, max_size=6), st.booleans())
def test_moments_are_numpys_however_frames_come(seed: int, sizes: list[int], merged: bool) -> None:
    maps, chosen = some_maps(seed, sum(sizes), offset=1000.0)
    cuts = np.cumsum([0, *sizes])
    whole = Moments(SHAPE)
    for low, high in pairwise(cuts):
        if merged:
            part = Moments(SHAPE)
            part.add(maps[low:high], chosen[low:high])
            whole.merge(part)
        else:
            whole.add(maps[low:high], chosen[low:high])
    for k in range(SHAPE[0]):
        own = maps[chosen[:, k], k].astype(np.float64)
        assert whole.count[k] == len(own)
        if len(own):
            np.testing.assert_allclose(whole.mean[k], own.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(whole.std[k], own.std(axis=0), atol=1e-9)
        else:
            assert not whole.mean[k].any()
            assert not whole.std[k].any()


def test_maps_have_the_peak_one_or_are_empty() -> None:
    maps, _ = some_maps(1, 6)
    maps[2, 1] = 0
    unit, empty = to_unit_peak(maps)
    assert empty.sum() == 1
    assert empty[2, 1]
    peaks = unit.max(axis=(2, 3))
    np.testing.assert_allclose(peaks[~empty], 1, rtol=1e-6)
    assert not unit[2, 1].any()
    np.testing.assert_allclose(unit[0, 0], maps[0, 0] / maps[0, 0].max(), rtol=1e-6)


def test_empty_maps_are_left_out_of_the_unit_peak_stream_and_counted() -> None:
    maps, chosen = some_maps(2, 8)
    maps[:5, 0] = 0
    chosen[:] = True
    whole, first, second = Composite(SHAPE), Composite(SHAPE), Composite(SHAPE)
    whole.add(maps, chosen)
    first.add(maps[:3], chosen[:3])
    second.add(maps[3:], chosen[3:])
    first.merge(second)
    for composite in (whole, first):
        assert composite.empty.tolist() == [5, 0, 0]
        assert composite.raw.count.tolist() == [8, 8, 8]
        assert composite.unit_peak.count.tolist() == [3, 8, 8]
    unit = to_unit_peak(maps[5:, 0])[0]
    np.testing.assert_allclose(whole.unit_peak.mean[0], unit.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(first.unit_peak.m2, whole.unit_peak.m2, rtol=1e-9, atol=1e-12)


def test_echo_is_what_has_another_colour_than_no_echo() -> None:
    picture = np.full((2, 3, 3), 255, np.uint8)
    picture[0, 1] = (160, 210, 255)
    picture[1, 2] = (255, 255, 254)
    echo = has_echo(picture, (255, 255, 255))
    assert echo.tolist() == [[False, True, False], [False, False, True]]
    shares, other = EchoShare((2, 2, 3)), EchoShare((2, 2, 3))
    shares.add(echo, 0)
    other.add(np.zeros((2, 3), bool), 0)
    shares.merge(other)
    assert shares.share[0].tolist() == [[0, 0.5, 0], [0, 0, 0.5]]
    assert np.isnan(shares.share[1]).all()


# Pictures.


def grey_frame(rows: int = 60, columns: int = 80) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(100, 256, (rows, columns), dtype=np.uint8)


def test_no_evidence_leaves_the_frame_grey() -> None:
    grey = grey_frame()
    for field, peak in ((np.zeros((3, 4)), 1.0), (np.zeros((3, 4)), 0.0), (np.ones((3, 4)), -1.0)):
        drawn = overlay(grey, field, peak)
        assert np.abs(drawn.astype(int) - grey[..., np.newaxis]).max() <= 1


def test_more_evidence_is_darker_and_lies_where_it_should() -> None:
    grey = np.full((60, 80), 255, np.uint8)
    field = np.zeros((3, 4), np.float32)
    field[2, 3] = 2.0
    light = overlay(grey, field, 2.0).astype(float).mean(axis=2)
    assert np.unravel_index(light.argmin(), light.shape) >= (45, 65)
    assert light[:30, :40].min() >= 254
    values = [overlay(grey, np.full((1, 1), value, np.float32), 1.0).mean() for value in np.linspace(0, 1, 11)]
    assert all(a > b for a, b in pairwise(values))
    assert overlay(grey, np.full((1, 1), 7.0), 1.0).mean() == values[-1]  # beyond the scale: the darkest


def test_a_single_picture_is_the_frame_and_a_caption() -> None:
    picture = np.repeat(grey_frame(300, 400)[..., np.newaxis], 3, axis=2)
    drawn = single(picture, np.ones((2, 2)), 1.0, MODES[0], 0.87, "pr2hse00001")
    assert drawn.shape == (300 + CAPTION, 400, 3)
    np.testing.assert_array_equal(drawn[:300], overlay(picture[..., 0], np.ones((2, 2)), 1.0))
    assert (drawn[300:] < 128).any()
    other = single(picture, np.ones((2, 2)), 2.0, MODES[0], 0.87, "pr2hse00001")
    assert (drawn[300:] != other[300:]).any()  # the scale is printed


def test_the_maps_of_a_panel_share_one_scale_unless_told_otherwise() -> None:
    picture = np.full((40, 50, 3), 255, np.uint8)
    maps = np.stack([np.full((2, 2), value, np.float32) for value in (4.0, 2.0, 0.0)])
    p = (0.2, 0.7, 0.1)
    shared = panel(picture, maps, MODES, p, title="t")
    own = panel(picture, maps, MODES, p, title="t", peaks=(4.0, 2.0, 0.0))
    # Cells stand side by side: the frame, then the modes.
    darkest = overlay(picture[..., 0], maps[0], 4.0)[0, 0]
    middle = [shared[60, 12 + (n + 1) * 60 + 25] for n in range(3)]
    assert middle[0].tolist() == darkest.tolist()
    assert middle[1].tolist() == overlay(picture[..., 0], maps[1], 4.0)[0, 0].tolist() != darkest.tolist()
    assert middle[2].tolist() == [255, 255, 255]
    assert own[60, 12 + 2 * 60 + 25].tolist() == darkest.tolist()


@pytest.mark.parametrize("modes", [2, 3, 5, 12])
def test_panels_of_any_number_of_modes(modes: int) -> None:
    faces = [ModeFace(f"M{k}", "#0072B2") for k in range(modes)]
    rng = np.random.default_rng(0)
    drawn = panel(
        np.zeros((90, 60, 3), np.uint8), rng.random((modes, 3, 3)), faces, [1 / modes] * modes, title="x" * 300
    )
    assert drawn.shape[1] <= 6 * 60 + 5 * 10 + 2 * 12


def test_a_sheet_shows_modes_without_frames_as_such() -> None:
    mean = np.random.default_rng(0).random((3, 4, 5))
    count = np.array([3, 0, 40])
    echo = np.full((3, 8, 10), 0.5)
    echo[1] = np.nan
    content = Sheet(mean, mean / 2, count, echo, "logit", ["", "", ""])
    drawn = sheet(content, MODES, title="t", notes=("a", "b"), size=(80, 100))
    empty = drawn[90:150, 96 + 110 : 96 + 110 + 20]
    assert (empty == 255).all()
    assert drawn.shape[1] == 96 + 3 * 110 + 12
    without = Sheet(np.zeros((3, 4, 5)), np.zeros((3, 4, 5)), np.zeros(3, int), None, "logit", ["", "", ""])
    assert sheet(without, MODES, title="t", notes=(), size=(80, 100)).shape[0] < drawn.shape[0]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((32, 32), (256, 256)), ((400, 300), (400, 300)), ((3360, 2560), (800, 610)), ((1, 9), (29, 261))],
)
def test_frames_are_shown_neither_tiny_nor_huge(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert fit(picture).shape == (*expected, 3)


def test_light_colours_are_darkened_for_writing() -> None:
    assert ink("#0072B2") == rgb("#0072B2")
    assert sum(ink("#BBBBBB")) < sum(rgb("#BBBBBB"))
    assert ink("#FFFFFF") == (140, 140, 140)
    assert ink("#000000") == (0, 0, 0)


def test_names_that_are_no_ascii_are_written_with_question_marks() -> None:
    assert width_of("筋状") == width_of("??")
    assert width_of("a\udce9b") == width_of("a?b")
