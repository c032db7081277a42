"""Means of heat maps of parts, merged, against NumPy on the whole."""

from __future__ import annotations

import numpy as np
import pytest

from radar.heat_map_means import CONDITIONS, STREAMS, HeatMapMeans, draw_sheet
from radar.heat_map_pictures import ModeFace
from radar.heat_maps import coarse_echo, to_unit_peak

K, H, W = 3, 4, 5
MODES = [ModeFace(code, color) for code, color in (("A", "#aa0000"), ("B", "#00aa00"), ("C", "#0000aa"))]


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    rng = np.random.default_rng(3)
    maps = rng.normal(1, 2, (50, K, H, W)).clip(0).astype(np.float32)
    maps[::7, 1] = 0
    return maps


@pytest.fixture(scope="module")
def modes() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 2, 50)  # the last mode never wins


@pytest.mark.parametrize("cuts", [[], [20], [0, 1, 30, 50]])
def test_parts_merge_into_what_numpy_says_of_the_whole(maps: np.ndarray, modes: np.ndarray, cuts: list[int]) -> None:
    means = HeatMapMeans((K, H, W))
    for some, their_modes in zip(np.split(maps, cuts), np.split(modes, cuts), strict=True):
        part = HeatMapMeans((K, H, W))
        part.add(some, their_modes)
        means.merge(part)
    unit, empty = to_unit_peak(maps)
    for k in range(K):
        for condition in CONDITIONS:
            of = np.ones(50, bool) if condition == "all" else modes == k
            assert means.conditions[condition].empty[k] == (empty[:, k] & of).sum()
            for stream in STREAMS:
                chosen = of & ~empty[:, k] if stream == "unit_peak" else of
                fields = (unit if stream == "unit_peak" else maps)[chosen, k].astype(np.float64)
                found = means.moments(condition, stream)
                assert found.count[k] == len(fields)
                if len(fields):
                    np.testing.assert_allclose(found.mean[k], fields.mean(axis=0), atol=1e-12)
                    np.testing.assert_allclose(found.std[k], fields.std(axis=0), atol=1e-9)


def test_echo_of_parts_is_the_echo_of_the_whole() -> None:
    echo = np.random.default_rng(5).random((20, 6, 8)) < 0.3
    whole, parts = HeatMapMeans((K, H, W)), HeatMapMeans((K, H, W))
    for n, one in enumerate(echo):
        whole.add_echo(one, n % 2)
        part = HeatMapMeans((K, H, W))
        part.add_echo(one, n % 2)
        parts.merge(part)
    np.testing.assert_allclose(parts.echo_share("predicted"), whole.echo_share("predicted"))
    np.testing.assert_allclose(parts.echo_share("predicted")[0], echo[::2].mean(axis=0))
    assert np.isnan(parts.echo_share("predicted")[2]).all()
    np.testing.assert_allclose(parts.echo_share("all")[2], echo.mean(axis=0))


def test_echo_of_pictures_of_another_size_is_brought_to_the_first() -> None:
    first, second = HeatMapMeans((K, H, W)), HeatMapMeans((K, H, W))
    first.add_echo(np.zeros((4, 4), bool), 0)
    second.add_echo(np.ones((8, 8), bool), 0)
    first.merge(second)
    np.testing.assert_allclose(first.echo_share("predicted")[0], 0.5)


def test_coarse_echo_keeps_the_covered_area() -> None:
    echo = np.zeros((400, 300), bool)
    echo[:100] = True
    share = coarse_echo(echo, 100)
    assert share.shape == (100, 75)
    assert share.mean() == pytest.approx(0.25)
    np.testing.assert_array_equal(coarse_echo(echo[:10, :8], 100), np.ones((10, 8), np.float32))


def test_a_sheet_without_echo_has_one_band_less(maps: np.ndarray, modes: np.ndarray) -> None:
    means = HeatMapMeans((K, H, W))
    means.add(maps, modes)
    words = {"title": "a winter", "method": "gradcam", "version": 7, "synthetic": False}
    before = draw_sheet(means, "all", "raw", MODES, **words)
    means.add_echo(np.ones((H, W), bool), 0)
    assert len(draw_sheet(means, "all", "raw", MODES, **words)) > len(before)
