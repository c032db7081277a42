"""Pictures of composites: indices, colours, coverage, the PNG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from radar import frames, jma
from radar.jma import drawing
from radar.jma.indexed_png import encode
from radar.jma.message import parse
from radar.palette import COLORS, NO_ECHO
from tests.radar.jma.conftest import TIME
from tests.radar.jma.messages import CLASS_LEVELS, message, national, write_message


def indices_in(png: bytes) -> np.ndarray:
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(png)) as picture:
        assert picture.mode == "P"
        return np.asarray(picture)


def test_missing_and_no_echo_have_indices_of_their_own_and_one_colour(classes, levels, whole):
    png = drawing.draw(parse(whole), jma.HOKUSHINETSU)
    indices = indices_in(png)
    missing = levels[jma.HOKUSHINETSU.cells] == 0
    assert missing.sum() == 50 * 40
    assert (indices[missing] == 0).all()
    np.testing.assert_array_equal(indices[~missing], classes[~missing] + 1)
    colors = frames.decode(png)
    assert (colors[missing] == NO_ECHO).all()
    np.testing.assert_array_equal(colors[~missing], COLORS[classes][~missing])


def test_the_palette_is_that_of_jmas_own_tiles(shared_data):
    image = pytest.importorskip("PIL.Image")
    with image.open(shared_data / "jma" / "highresorad_tile_old.png") as tile:
        of_jma = {tuple(color) for color in np.array(tile.getpalette()).reshape(-1, 3)[1:9].tolist()}
    assert of_jma == {tuple(color) for color in drawing.PALETTE[2:].tolist()}


def test_what_is_drawn_is_what_a_model_sees(tmp_path, classes):
    path = write_message(tmp_path, CLASS_LEVELS[classes], TIME)
    picture, time = jma.picture(path)
    assert time == TIME
    np.testing.assert_array_equal(picture, COLORS[classes])
    np.testing.assert_array_equal(picture, frames.decode(drawing.draw(jma.read(path), jma.HOKUSHINETSU)))


def test_a_synthetic_winter_written_as_composites_gives_its_own_pixels(tmp_path):
    from training.synth.climate import plan_winter
    from training.synth.winter import render

    winter = plan_winter(5, 2015, 10)
    for slot, classes in zip([400, 9000], render(winter, [400, 9000], (600, 480)), strict=True):
        assert len(np.unique(classes)) > 3
        path = write_message(tmp_path, CLASS_LEVELS[classes], TIME)
        picture, _ = jma.picture(path)
        np.testing.assert_array_equal(picture, COLORS[classes], err_msg=f"slot {slot}")


def test_a_window_is_cut_where_it_lies():
    field = national(np.full((600, 480), 1, np.uint8))
    field[jma.Window(138, 138.0125, 37, 37 + 1 / 120).cells] = CLASS_LEVELS[8]
    composite = parse(message(field, TIME))
    index = drawing.indices(composite, jma.HOKUSHINETSU)
    # 138 E is the middle column of 135 to 141 E, 37 N three fifths down from 40 N.
    assert np.argwhere(index == 9).tolist() == [[359, 240]]
    assert (drawing.indices(composite, jma.JAPAN) == 9).sum() == 1


def test_coverage_touches_nothing_that_is_seen(whole):
    composite = parse(whole)
    plain = drawing.indices(composite, jma.HOKUSHINETSU)
    marked = drawing.with_coverage(plain)
    missing = plain == 0
    np.testing.assert_array_equal(marked[~missing], plain[~missing])
    assert set(np.unique(marked[missing])) == {0, drawing.HATCH_INDEX, drawing.OUTLINE_INDEX}
    # The outline runs along the last missing row and column, not along the picture's border.
    assert (marked[49, :40] == drawing.OUTLINE_INDEX).all()
    assert (marked[:50, 39] == drawing.OUTLINE_INDEX).all()
    assert (marked[:49, :39] != drawing.OUTLINE_INDEX).all()


def test_coverage_is_drawn_for_people_only_when_asked(whole):
    composite = parse(whole)
    plain, marked = (frames.decode(drawing.draw(composite, jma.HOKUSHINETSU, coverage=c)) for c in (False, True))
    assert (marked[49, 0] == drawing.OUTLINE_COLOR).all()
    differing = (plain != marked).any(axis=2)
    assert differing[:50, :40].any()
    assert not differing[50:].any()
    assert not differing[:, 40:].any()


@pytest.mark.parametrize("fill", [0, 1])
def test_all_missing_and_nothing_missing(fill):
    picture = np.full((20, 30), fill, np.uint8)
    marked = drawing.with_coverage(picture)
    assert not (marked == drawing.OUTLINE_INDEX).any()
    assert (marked == drawing.HATCH_INDEX).any() == (fill == 0)


def test_the_same_composite_gives_the_same_bytes(whole):
    assert drawing.draw(parse(whole), jma.JAPAN) == drawing.draw(parse(whole), jma.JAPAN)


@given(picture=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 11)))
def test_the_png_holds_the_picture(picture):
    palette = drawing.COVERAGE_PALETTE
    png = encode(picture, palette, transparent=(0, 1))
    np.testing.assert_array_equal(indices_in(png), picture)
    np.testing.assert_array_equal(frames.decode(png), palette[picture])


@pytest.mark.parametrize(("colors", "index"), [(0, 0), (17, 0), (4, 4)])
def test_pictures_the_png_cannot_hold(colors, index):
    with pytest.raises(ValueError, match="Expected 1 to 16 colours"):
        encode(np.full((2, 2), index, np.uint8), np.zeros((colors, 3), np.uint8))
