"""Files of composites: names, gzip, tars."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from radar import jma
from radar.errors import FrameError
from radar.jma import files
from tests.radar.jma.conftest import TIME
from tests.radar.jma.messages import jma_name, message, tar_name, tar_of, write_message
from tests.radar.jma.test_message import composite_or_reason

NAME = jma_name(TIME)
ECHO_TOPS = f"Z__C_RJTD_{TIME:%Y%m%d%H%M%S}_RDR_JMAGPV_Gll2p5km_Phhlv_ANAL_grib2.bin"


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(FrameError) as caught:
        jma.read(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (NAME, True),
        (f"2016/01/24/{NAME}.gz", True),
        (jma_name(TIME, "Prr05lv"), True),
        (tar_name(TIME), True),
        (tar_name(TIME) + ".gz", True),
        ("composite.grib2", True),
        ("a/composite.GRB2.gz", True),
        (ECHO_TOPS, False),
        ("Z__C_RJTD_20240301000000_RDR_GPV_Ggis1km_Phhlv_Aper5min_ANAL_grib2.bin.gz", False),
        ("Z__C_RJTD_20240301000000_RDR_GPV_Ggis0p25km_Pri60lv_Aper5min_ANAL_grib2.bin", False),
        ("Z__C_RJTD_20240301000000_NOWC_GPV_Ggis1km_Prr10lv_FH0010-0100_grib2.bin", False),
        ("Z__C_RJTD_20240301000000_NOWC_GPV_Ggis1km.grib2", False),
        ("pr2hse00000.png", False),
        ("backup.tar", False),
        ("archive.bin", False),
        (NAME + ".part", False),
    ],
)
def test_names_tell_composites_from_other_files(name, wanted):
    assert jma.is_composite(name) is wanted


def test_times_and_intervals_in_names():
    assert jma.name_time(f"x/{NAME}") == TIME
    assert jma.name_time(tar_name(TIME)) == TIME
    assert jma.name_time("composite.grib2") is None
    assert jma.name_time(NAME.replace("20160124", "20160231")) is None
    assert files.interval_minutes(tar_name(TIME)) == files.interval_minutes(NAME) == 10
    assert files.interval_minutes(jma_name(TIME, "Prr05lv")) == 5
    assert files.interval_minutes("composite.grib2") is None


def test_the_name_in_messages_is_one_of_jma():
    assert jma.is_composite(files.EXAMPLE)


@pytest.mark.parametrize("member_gzipped", [False, True])
@pytest.mark.parametrize("gzipped", [False, True])
def test_tars_and_gzip(tmp_path, whole, gzipped, member_gzipped):
    member = gzip.compress(whole) if member_gzipped else whole
    body = tar_of({ECHO_TOPS: b"GRIB", f"./{NAME}{'.gz' if member_gzipped else ''}": member})
    path = tmp_path / (tar_name(TIME) + (".gz" if gzipped else ""))
    path.write_bytes(gzip.compress(body) if gzipped else body)
    assert jma.read(path).time == TIME
    assert files.message_of(path) == whole


def test_a_gzipped_message_under_any_name(tmp_path, whole):
    path = tmp_path / "renamed"
    path.write_bytes(gzip.compress(whole))
    assert jma.read(path).time == TIME


def test_a_tar_without_the_composite_tells_what_it_holds(tmp_path):
    text = refused(tmp_path / tar_name(TIME), tar_of({ECHO_TOPS: b"GRIB"}))
    assert text == f"holds no rain-rate composites, expected one; its members: {ECHO_TOPS}"
    assert "its members: nothing" in refused(tmp_path / tar_name(TIME), tar_of({}))


def test_a_tar_with_two_composites_is_refused(tmp_path, whole):
    text = refused(tmp_path / tar_name(TIME), tar_of({NAME: whole, jma_name(TIME + timedelta(minutes=10)): whole}))
    assert text.startswith("holds 2 rain-rate composites, expected one")


def test_a_sparse_member_does_not_fill_the_memory(tmp_path, whole):
    """A tar of some kilobytes may claim a member of any size, whose holes are zeros."""
    header = tarfile.TarInfo(NAME)
    header.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": NAME,
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": f"0,{len(whole)}",
    }
    header.size = len(whole)
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(header, io.BytesIO(whole))
        body = file.getvalue()
    assert refused(tmp_path / tar_name(TIME), body).startswith("holds a member of 1,099,512 MB")


def test_no_truncation_of_a_tar_passes(tmp_path, whole):
    body = tar_of({NAME: whole, ECHO_TOPS: bytes(3000)})
    end = len(body.rstrip(b"\0"))
    path = tmp_path / tar_name(TIME)
    content = (len(whole) + 511) // 512 * 512 + 1024 + 3072
    for size in [0, 1, 100, 511, 512, 513, 5000, len(whole), *range(512, content, 512), content - 1, content]:
        assert refused(path, body[:size]).startswith(("is truncated", "is empty", "is damaged")), size
    assert end < content
    path.write_bytes(body[: content + 512])  # some writers end a tar with one block of zeros
    assert jma.read(path).time == TIME


def test_damaged_gzip(tmp_path, whole):
    packed = gzip.compress(whole)
    path = tmp_path / f"{NAME}.gz"
    assert refused(path, packed[:-9]).startswith("is truncated")
    assert refused(path, packed[:1000] + b"\0\0\0\0" + packed[1004:]).startswith("is damaged")
    assert refused(path, packed[:-8] + bytes(8)).startswith("is damaged")
    assert refused(path, gzip.compress(bytes(files.MAX_BYTES + 1), 1)).startswith("unpacks to more than")


def test_flipped_bytes_in_a_tar_give_a_composite_or_a_reason(tmp_path, whole):
    body = tar_of({NAME: whole})
    path = tmp_path / tar_name(TIME)
    for place in range(512):
        for value in (0, 0x37, 0xFF):
            path.write_bytes(body[:place] + bytes([value]) + body[place + 1 :])
            found = composite_or_reason(lambda: jma.read(path))
            assert found.startswith(("is ", "holds ")) if isinstance(found, str) else found.time == TIME


def test_a_name_that_disagrees_with_the_message(tmp_path, whole):
    other = jma_name(TIME + timedelta(minutes=10))
    expected = "disagrees with itself: its name says 2016-01-24 03:50:00, the message 2016-01-24 03:40:00 UTC"
    assert refused(tmp_path / other, whole) == expected
    text = refused(tmp_path / tar_name(TIME), tar_of({other: whole}))
    assert text.startswith(f"disagrees with itself: its member {other} says 2016-01-24 03:50:00")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FrameError, match="cannot be read: no such file"):
        jma.read(tmp_path / NAME)
    with pytest.raises(FrameError, match="cannot be read: is a directory"):
        jma.read(tmp_path)
    large = tmp_path / NAME
    with large.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(FrameError, match="has 67 MB; a composite has less than 67 MB"):
        jma.read(large)


def test_the_writer_of_tests_names_its_files(tmp_path, levels):
    time = datetime(2023, 12, 31, 23, 55, tzinfo=UTC)
    path = write_message(tmp_path, levels, time, "Prr05lv")
    assert path.name == "Z__C_RJTD_20231231235500_RDR_JMAGPV_Ggis1km_Prr05lv_ANAL_grib2.bin"
    composite = jma.read(path)
    assert (composite.time, composite.product) == (time, "Prr05lv")
    assert path.read_bytes() == message(levels, time, "Prr05lv")
