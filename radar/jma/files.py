"""Files of composites: plain messages, gzipped ones, tars; what their names say."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

from radar import frames
from radar.errors import FrameError
from radar.frames import Picture
from radar.jma.drawing import colors
from radar.jma.grid import HOKUSHINETSU, Window
from radar.jma.message import Composite, parse

MAX_BYTES = 64 << 20
"""Larger files, packed or unpacked, are refused; a composite has 0.1 to 0.3 MB, 8.6 MB if nothing can be packed."""

EXAMPLE = "Z__C_RJTD_20160306190000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin"
"""The name JMA gives a composite, for messages."""

_JMA = "Z__C_RJTD_"
_COMPOSITE = re.compile(
    r"Z__C_RJTD_(?P<time>[0-9]{14})_RDR_JMAGPV_(?:_grib2\.tar|Ggis1km_(?P<product>Prr(?:10|05)lv)_ANAL_grib2\.bin)(?:\.gz)?"
)
_OTHER_NAMES = (".grib2", ".grb2", ".grib2.gz", ".grb2.gz")


def is_composite(name: str) -> bool:
    """Tells by its name whether a file should hold a rain-rate composite.

    Args:
        name: File name, with or without folders.

    Returns:
        True for JMA's names of the 1 km rain rate and of its tars, gzipped or not, and for ``.grib2`` and ``.grb2``
        of any other origin; false for JMA's other products, which lie in the same folders, and for all else.
    """
    last = name.rpartition("/")[2]
    return bool(_COMPOSITE.fullmatch(last)) or (not last.startswith(_JMA) and last.lower().endswith(_OTHER_NAMES))


def name_time(name: str) -> datetime | None:
    """Gives the time in a JMA file name: the end of the interval, UTC. None for other names."""
    match = _COMPOSITE.fullmatch(name.rpartition("/")[2])
    if match is None:
        return None
    try:
        return datetime.strptime(match["time"], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # a 31 February
        return None


def interval_minutes(name: str) -> int | None:
    """Gives the minutes between composites of the kind a JMA file name tells: 10 or 5. None for other names."""
    match = _COMPOSITE.fullmatch(name.rpartition("/")[2])
    return None if match is None else 5 if match["product"] == "Prr05lv" else 10


def read(path: str | os.PathLike[str]) -> Composite:
    """Reads a composite.

    Args:
        path: A GRIB2 message, or a tar with one of rain rate among its members; gzipped or not.

    Returns:
        The composite; its time is the one in the message.

    Raises:
        FrameError: The file cannot be read, is truncated or damaged, holds something else or several composites, or
            the message names another time than the file name.
    """
    file = Path(path)
    member, message = unwrap(_contents(file), file.name)
    composite = parse(message)
    for named in (file.name, member):
        time = name_time(named)
        if time is not None and time != composite.time:
            which = "its name" if named == file.name else f"its member {named}"
            raise FrameError(
                f"disagrees with itself: {which} says {time:%Y-%m-%d %H:%M:%S}, the message "
                f"{composite.time:%Y-%m-%d %H:%M:%S} UTC"
            )
    return composite


def picture(path: str | os.PathLike[str], window: Window = HOKUSHINETSU) -> tuple[Picture, datetime]:
    """Draws a composite in JMA's colours, as a model sees it.

    Args:
        path: As in `read`.
        window: The part of the grid.

    Returns:
        uint8 RGB, shape (window.rows, window.columns, 3), and the time (UTC, end of the interval). The same pixels as
        `radar.frames.decode` gives of the PNG that `client render` writes: missing and no echo are both white.

    Raises:
        FrameError: As in `read`.
    """
    composite = read(path)
    return colors(composite, window), composite.time


def message_of(path: str | os.PathLike[str]) -> bytes:
    """Gives the GRIB2 message in a file, as it stands; see `read`."""
    file = Path(path)
    return unwrap(_contents(file), file.name)[1]


def unwrap(data: bytes, name: str) -> tuple[str, bytes]:
    """Takes the message out of a tar and out of gzip.

    Args:
        data: The file's bytes.
        name: The file's name, without folders.

    Returns:
        The name of the tar's member, empty if there is no tar; and the message.

    Raises:
        FrameError: The tar or the gzipped data are truncated or damaged, or hold no or several rain-rate composites.
    """
    member = ""
    if _is_gzipped(data):
        data, name = _gunzip(data), name.removesuffix(".gz")
    if data[257:262] == b"ustar" or name.lower().endswith(".tar"):
        member, data = _rain_rate_member(data)
        data = _gunzip(data) if _is_gzipped(data) else data
    return member, data


def _is_gzipped(data: bytes) -> bool:
    return data[:2] == b"\x1f\x8b"


def _contents(path: Path) -> bytes:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # said in frames.read
    if size > MAX_BYTES:
        raise FrameError(f"has {size / 1e6:,.0f} MB; a composite has less than {MAX_BYTES / 1e6:,.0f} MB")
    return frames.read(path)


def _gunzip(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(MAX_BYTES + 1)
    except EOFError as error:
        raise FrameError(f"is truncated: its {len(data):,} bytes end inside the gzipped data") from error
    except (OSError, zlib.error) as error:
        raise FrameError(f"is damaged: it cannot be unpacked by gzip: {error}") from error
    if len(plain) > MAX_BYTES:
        raise FrameError(f"unpacks to more than {MAX_BYTES / 1e6:,.0f} MB; that is no composite")
    return plain


def _rain_rate_member(data: bytes) -> tuple[str, bytes]:
    """Gives name and bytes of the one rain-rate composite in a tar."""
    if not data:
        raise FrameError("is empty (0 bytes)")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            # Reading stops without an error where a tar is cut between two members; its end is a block of zeros.
            if data[tar.offset : tar.offset + tarfile.BLOCKSIZE].rstrip(b"\0") or tar.offset >= len(data):
                raise FrameError(f"is truncated: the end of the tar is missing after {len(data):,} bytes")
            wanted = [member for member in members if is_composite(member.name)]
            if len(wanted) != 1:
                held = ", ".join(Path(member.name).name for member in members[:5]) or "nothing"
                count = len(wanted) or "no"
                raise FrameError(f"holds {count} rain-rate composites, expected one; its members: {held}")
            if wanted[0].size > MAX_BYTES:  # a sparse member may claim any size
                raise FrameError(f"holds a member of {wanted[0].size / 1e6:,.0f} MB; that is no composite")
            file = tar.extractfile(wanted[0])
            body = b"" if file is None else file.read()
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise FrameError(
            f"is truncated or damaged: it cannot be read as a tar of {len(data):,} bytes: {error}"
        ) from error
    return wanted[0].name, body
