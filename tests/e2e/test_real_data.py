"""Real radar composites of other services, through a real server process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.command import client, rows_of


@pytest.mark.parametrize(("folder", "frames"), [("knmi_20100826_5min", 92), ("fmi_20160928_5min", 40)])
def test_every_real_frame_is_classified(
    shared_data: Path, server: str, tmp_path: Path, folder: str, frames: int
) -> None:
    out = tmp_path / "r.csv"
    rule = ("--pattern", "%Y%m%d%H%M.png", "--cadence", "5", "--strict")
    done = client("classify", shared_data / "frames" / folder, "--server", server, "--out", out, *rule)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = rows_of(out)
    assert len(rows) == frames
    assert all(row["label"] and not row["error"] and row["time_utc"] for row in rows)


def test_a_tile_of_the_old_web_service_is_decoded(shared_data: Path) -> None:
    from PIL import Image

    from radar import frames
    from radar.palette import COLORS

    path = shared_data / "jma" / "highresorad_tile_old.png"
    decoded = frames.decode(path.read_bytes())
    with Image.open(path) as picture:
        assert decoded.shape == (picture.height, picture.width, 3)
    found = {tuple(color) for color in decoded.reshape(-1, 3).tolist()}
    assert found <= {tuple(color) for color in COLORS.tolist()}
    assert len(found) > 2
