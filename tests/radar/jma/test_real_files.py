"""The three real files: reference values, a second decoder, eccodes, and our writer."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from radar import frames, jma
from radar.jma import drawing, files, second_reader
from tests.radar.jma import oracle
from tests.radar.jma.messages import RATES, message

WINTER = "Z__C_RJTD_20160306190000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin"
TAR = "Z__C_RJTD_20220808000000_RDR_JMAGPV__grib2.tar"
FIVE_MINUTES = "Z__C_RJTD_20241018000500_RDR_JMAGPV_Ggis1km_Prr05lv_ANAL_grib2.bin"
NAMES = [WINTER, TAR, FIVE_MINUTES]


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "jma"


@pytest.mark.parametrize(
    ("name", "product", "minutes", "time", "missing", "maximum"),
    [
        (WINTER, "Prr10lv", 10, datetime(2016, 3, 6, 19, 0, tzinfo=UTC), 6_248_437, 103.5),
        (TAR, "Prr10lv", 10, datetime(2022, 8, 8, 0, 0, tzinfo=UTC), 6_248_434, 86.5),
        (FIVE_MINUTES, "Prr05lv", 5, datetime(2024, 10, 18, 0, 5, tzinfo=UTC), 6_279_233, 132.5),
    ],
)
def test_reference_values(folder, name, product, minutes, time, missing, maximum):
    composite = jma.read(folder / name)
    assert (composite.product, composite.minutes, composite.time) == (product, minutes, time)
    rate = composite.rate()
    assert rate.shape == (3360, 2560)
    assert rate.dtype == np.float32
    assert int(np.isnan(rate).sum()) == missing
    assert np.nanmax(rate) == maximum
    assert np.nanmin(rate) == 0


def test_rates_are_those_of_the_level_table(folder):
    with (folder / "level_table_Prr10lv_Prr05lv.tsv").open() as file:
        table = {int(row["level"]): row["representative_mm_per_h"] for row in csv.DictReader(file, delimiter="\t")}
    rates = jma.read(folder / WINTER).rates
    assert np.isnan(rates[0])
    assert "missing" in table.pop(0)
    assert len(table) == 251
    for level, rate in table.items():
        assert rates[level] == np.float32(rate), level
    assert np.isnan(rates[252:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_second_decoder_reads_the_same(folder, name):
    read = jma.read(folder / name).rate().ravel()
    expected = oracle.rain_rate(files.message_of(folder / name)).astype(np.float32)
    assert np.array_equal(read, expected, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_eccodes_reads_the_same_and_prints_nothing(folder, name, capfd):
    pytest.importorskip("eccodes", reason="needs the extra [jma]")
    rate = second_reader.rate(files.message_of(folder / name))
    assert np.array_equal(rate, jma.read(folder / name).rate(), equal_nan=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_our_writer_writes_what_jma_wrote(folder, name):
    """So that messages made by tests are as good as real ones."""
    composite = jma.read(folder / name)
    made = message(composite.levels, composite.time, composite.product, flags=composite.radar_flags)
    assert made == files.message_of(folder / name)
    np.testing.assert_array_equal(composite.rates[1:252], RATES.astype(np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_a_composite_is_drawn_as_its_frame_is_decoded(folder, name):
    picture, time = jma.picture(folder / name)
    composite = jma.read(folder / name)
    assert time == composite.time
    assert picture.shape == (600, 480, 3)
    np.testing.assert_array_equal(frames.decode(drawing.draw(composite, jma.HOKUSHINETSU)), picture)


def test_the_winter_case_is_where_it_was(folder):
    """Bands over the Sea of Japan in the window's upper half, rain in Kanto; the sea to the south-west is quiet."""
    rate = jma.read(folder / WINTER).rate(jma.Window(135, 141, 35, 40))
    assert (rate[:240, 240:] > 1).mean() > 0.05
    assert (rate[:240, :100] > 0).mean() < 0.01
    # No radar sees the window's north-western corner, and only that one.
    missing = np.isnan(rate)
    assert missing[0, 0]
    assert not missing[200:].any()
    assert not missing[:, 40:].any()


def test_echo_tops_are_named(folder):
    import tarfile

    from radar.errors import FrameError
    from radar.jma.message import parse

    with tarfile.open(folder / TAR) as tar:
        member = next(m for m in tar.getmembers() if "Phhlv" in m.name)
        body = tar.extractfile(member).read()
    with pytest.raises(FrameError, match="holds echo tops"):
        parse(body)
