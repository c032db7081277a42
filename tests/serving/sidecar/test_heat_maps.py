"""Heat maps of stored frames and of pictures that are sent, by a sidecar process and a real model server."""

from __future__ import annotations

import io
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from radar import frames
from radar.heat_map_pictures import CAPTION
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN
from tests.conftest import write_png
from tests.serving.sidecar.conftest import SEASON
from tests.serving.sidecar.process import CODES, Answer, Sidecar, make_records

PNG = "image/png"


@pytest.fixture(scope="module")
def ids(sidecar: Sidecar) -> dict[str, int]:
    listed = sidecar.ask(f"/v1/frames?season={SEASON}&limit=1000").json["frames"]
    return {one["frame"]: one["id"] for one in listed}


@pytest.fixture(scope="module")
def expected(server: str, archive: Path) -> dict[str, Any]:
    """What the model says of the first frame."""
    with Connection(server) as connection:
        served = connection.describe()
        image = frames.load(archive / SEASON / "pr2hse00000.png", served.card.input.frame_rule())
        answer = connection.call(EXPLAIN, image[np.newaxis])
    return {"version": served.version, **{name: values[0] for name, values in answer.items()}}


def pixels(answer: Answer) -> np.ndarray:
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == PNG
    return cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_the_model_says_what_it_is(sidecar: Sidecar, expected: dict[str, Any]) -> None:
    model = sidecar.ask("/v1/model").json
    assert (model["model"], model["version"]) == ("snowmode", expected["version"])
    assert [mode["code"] for mode in model["card"]["modes"]] == list(CODES)
    assert sidecar.ask(f"/v1/model?version={expected['version']}").json == model
    assert model in sidecar.ask("/v1/models").json["models"]


def test_a_version_that_is_not_hosted_is_said_so(sidecar: Sidecar, ids: dict[str, int]) -> None:
    for path in ("/v1/model", f"/v1/frames/{ids['pr2hse00000.png']}/heat-maps"):
        answer = sidecar.ask(f"{path}?version=1")
        assert answer.status == 404
        assert "does not host version 1 of 'snowmode' now" in answer.json["detail"]


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_numbers_are_the_models_own(
    sidecar: Sidecar, ids: dict[str, int], expected: dict[str, Any], method: str
) -> None:
    path = f"/v1/frames/{ids['pr2hse00000.png']}/heat-maps?method={method}"
    said = sidecar.ask(f"{path}&as=json").json
    assert (said["version"], said["method"], said["unit"]) == (expected["version"], method, "logit")
    assert list(said["maps"]) == list(CODES)
    # The embedded server answers a batch of one like a batch of many only to the last bits.
    np.testing.assert_allclose([said["maps"][code] for code in CODES], expected[method], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(list(said["probabilities"].values()), expected["probabilities"], atol=1e-5)
    assert said["mode"] == CODES[int(expected["probabilities"].argmax())]
    with np.load(io.BytesIO(sidecar.ask(f"{path}&as=npz").body)) as stored:
        np.testing.assert_array_equal(stored[method], np.array([said["maps"][code] for code in CODES], np.float32))
        assert stored["codes"].tolist() == list(CODES)


def test_one_mode_or_the_winner_alone(sidecar: Sidecar, ids: dict[str, int]) -> None:
    path = f"/v1/frames/{ids['pr2hse00003.png']}/heat-maps?as=json"
    whole = sidecar.ask(path).json
    assert sidecar.ask(f"{path}&mode=DM").json["maps"] == {"DM": whole["maps"]["DM"]}
    assert sidecar.ask(f"{path}&mode=winner").json["maps"] == {whole["mode"]: whole["maps"][whole["mode"]]}


def test_pictures_have_the_size_they_should(sidecar: Sidecar, ids: dict[str, int]) -> None:
    path = f"/v1/frames/{ids['pr2hse00000.png']}"
    frame = pixels(sidecar.ask(f"{path}/picture"))
    assert frame.shape == (80, 90, 3)
    shown = (3 * 80, 3 * 90, 3)  # small frames are enlarged in whole pixels
    winner = pixels(sidecar.ask(f"{path}/heat-maps"))
    assert winner.shape == shown
    captioned = pixels(sidecar.ask(f"{path}/heat-maps?caption=true"))
    assert captioned.shape == (shown[0] + CAPTION, shown[1], 3)
    np.testing.assert_array_equal(captioned[: shown[0]], winner)
    each = [pixels(sidecar.ask(f"{path}/heat-maps?mode={code}")) for code in CODES]
    assert sum(np.array_equal(one, winner) for one in each) == 1
    assert pixels(sidecar.ask(f"{path}/heat-maps?as=panel")).shape[1] > 5 * 90


def test_a_browser_that_has_a_picture_is_told_so(sidecar: Sidecar, ids: dict[str, int]) -> None:
    for path in ("picture", "heat-maps?mode=LT"):
        first = sidecar.ask(f"/v1/frames/{ids['pr2hse00001.png']}/{path}")
        tag = first.headers["ETag"]
        again = sidecar.ask(f"/v1/frames/{ids['pr2hse00001.png']}/{path}", If_None_Match=f'"other", {tag}')
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    other = sidecar.ask(f"/v1/frames/{ids['pr2hse00001.png']}/heat-maps?mode=NO", If_None_Match=tag)
    assert other.status == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("mode=XX", "mode: expected SY, VX, LT, DM, NO, winner or all, received 'XX'"),
        ("mode=all", "as=panel"),
        ("mode=LT&as=panel", "as=overlay"),
        ("method=lime", "gradcam"),
        ("as=gif", "overlay"),
    ],
)
def test_wishes_that_make_no_sense(sidecar: Sidecar, ids: dict[str, int], query: str, says: str) -> None:
    answer = sidecar.ask(f"/v1/frames/{ids['pr2hse00000.png']}/heat-maps?{query}")
    assert answer.status == 422
    assert says in answer.json["detail"]


def test_a_picture_that_is_sent_is_explained_like_a_stored_one(
    sidecar: Sidecar, ids: dict[str, int], archive: Path
) -> None:
    data = (archive / SEASON / "pr2hse00005.png").read_bytes()
    for query in ("as=json", "mode=NO", "as=panel"):
        sent = sidecar.ask(f"/v1/heat-maps?{query}", body=data, Content_Type=PNG)
        stored = sidecar.ask(f"/v1/frames/{ids['pr2hse00005.png']}/heat-maps?{query}")
        assert sent.status == stored.status == 200
        if query == "as=json":
            assert sent.json == stored.json
        elif query == "mode=NO":
            assert sent.body == stored.body


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than anybody should decode."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"", 422, "received nothing"),
        (b"GIF89a" + bytes(100), 422, "is not a PNG"),
        (bomb(60_000, 60_000), 413, "3,600,000,000"),
        (bomb(100, 100), 422, "truncated"),
        (b"\x89PNG\r\n\x1a\n", 422, "is not a PNG"),
    ],
)
def test_what_is_no_frame_is_refused(sidecar: Sidecar, data: bytes, status: int, says: str) -> None:
    answer = sidecar.ask("/v1/heat-maps", body=data, Content_Type=PNG)
    assert answer.status == status, answer
    assert says in answer.json["detail"]


def test_an_upload_is_cut_off_where_it_is_too_large(sidecar: Sidecar) -> None:
    answer = sidecar.ask("/v1/heat-maps", body=bytes(17 << 20), Content_Type=PNG)
    assert answer.status == 413


def test_many_ask_at_once(sidecar: Sidecar, ids: dict[str, int]) -> None:
    def ask(n: int) -> Answer:
        return sidecar.ask(f"/v1/frames/{ids[f'pr2hse{n % 20 + 20:05d}.png']}/heat-maps?mode={CODES[n % 5]}")

    with ThreadPoolExecutor(16) as pool:
        assert {answer.status for answer in pool.map(ask, range(120))} == {200}


def test_a_frame_that_was_deleted_or_spoilt(sidecar: Sidecar, archive: Path) -> None:
    folder = archive / "spoilt"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    write_png(folder / "small.png", 1, 20, 20)
    (folder / "b.png").symlink_to("/etc/hostname")
    names = ["a.png", "b.png", "small.png", "gone.png", "../hse20152016/pr2hse00000.png", "/etc/hostname", "."]
    assert sidecar.record(make_records(names, season="spoilt")).status == 200
    listed = sidecar.ask("/v1/frames?season=spoilt").json["frames"]
    found = {one["frame"]: sidecar.ask(f"/v1/frames/{one['id']}/heat-maps") for one in listed}
    assert {name: answer.status for name, answer in found.items()} == {
        "a.png": 422,
        "small.png": 422,
        **dict.fromkeys(set(names) - {"a.png", "small.png"}, 404),
    }
    assert "spoilt/a.png: is not a PNG" in found["a.png"].json["detail"]
    assert "is 20x20 pixels; the model needs at least 32x32" in found["small.png"].json["detail"]
    for one in listed:
        if one["frame"] != "small.png":
            assert sidecar.ask(f"/v1/frames/{one['id']}/picture").status == found[one["frame"]].status
