"""The pages as their HTML: languages, times, escaping, errors, forms. In a real browser: `test_pages_browser`."""

from __future__ import annotations

import base64
import html
import json
import re
import string
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving.sidecar.app import create_app
from serving.sidecar.pages import charts, times
from serving.sidecar.pages.language import LANGUAGES, Words, read_texts
from serving.sidecar.pages.modes import RESERVED, ink_on, keys_of, luminance
from serving.sidecar.services import open_services
from serving.sidecar.settings import read_settings
from tests.conftest import write_png
from tests.serving.sidecar.process import CODES, VERSION, make_records, wait_until

PAGES = Path(str(resources.files("serving.sidecar.pages")))
TEMPLATES = sorted((PAGES / "templates").glob("*.html"))
SEASON = "hse20152016"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ADDRESSES = ("/", "/seasons", f"/seasons/{SEASON}", "/heat-maps", "/frames/1", "/review", "/compare", "/sign-in")
EVIL = "<script>alert('x')<script>&\"winter\""


def record(client, records):
    body = "".join(json.dumps(one) + "\n" for one in records)
    answer = client.post("/v1/predictions", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text


def fill(client):
    """Records a day of frames by two versions."""
    record(client, make_records(144, version=VERSION - 100, seed=5))
    record(client, make_records(144, failed=(3, 70)))
    return client


@pytest.fixture
def client(make_client):
    """An application of one test."""
    return fill(make_client())


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """An application that tests only read from; each with a browser of its own."""
    folder = tmp_path_factory.mktemp("library")
    settings = read_settings(server="127.0.0.1:1", database=f"sqlite:///{folder / 'winter.sqlite'}", archive=folder)
    with open_services(settings) as services:
        app = create_app(services)
        fill(TestClient(app))
        yield app


@pytest.fixture
def reader(library):
    """A browser in the library."""
    return TestClient(library, raise_server_exceptions=False, follow_redirects=False)


class Links(HTMLParser):
    """Every address a page names, and what stands open at its end."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "rect", "line", "path", "polyline", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action"):
                self.found.append(value)
            if name == "id":
                self.ids.append(value)
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, tag


# Texts


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", set(LANGUAGES) - {"en"})
def test_languages_say_the_same_things(language):
    english, other = read_texts("en"), read_texts(language)
    assert other.keys() == english.keys()
    for key, text in english.items():
        assert fields_of(other[key]) == fields_of(text), key
        assert other[key].strip(), key


def test_every_text_is_used_and_every_used_text_is_there():
    source = "\n".join(path.read_text(encoding="utf-8") for path in [*TEMPLATES, *PAGES.glob("*.py")])
    whole = set(re.findall(r"""\b(?:t|words)\(["']([a-z_]+\.\w+)["']\s*[,)]""", source))
    begun = set(re.findall(r"""\bt\(["']([a-z_]+\.\w*)["'] ~""", source))
    begun |= set(re.findall(r"""\bwords\(f["']([a-z_]+\.\w*)\{""", source))
    known = read_texts("en")
    assert whole
    assert begun
    assert whole <= known.keys()
    assert [name for name in begun if not any(key.startswith(name) for key in known)] == []
    assert [key for key in known if key not in whole and not key.startswith(tuple(begun))] == []


@pytest.mark.parametrize(
    ("headers", "query", "language"),
    [
        ({}, "", "en"),
        ({"Accept-Language": "ja"}, "", "ja"),
        ({"Accept-Language": "ja-JP,en;q=0.5"}, "", "ja"),
        ({"Accept-Language": "de,en;q=0.9,ja;q=0.4"}, "", "en"),
        ({"Accept-Language": "ja;q=0, en;q=0.1"}, "", "en"),
        ({"Accept-Language": ";;,;q=x,ja;q=nothing" + "," * 999}, "", "en"),
        ({"Accept-Language": "en", "Cookie": "snowmode-language=ja"}, "", "ja"),
        ({"Cookie": "snowmode-language=xx"}, "", "en"),
        ({"Cookie": "snowmode-language=ja"}, "?lang=en", "en"),
    ],
)
def test_the_language_is_the_readers(reader, headers, query, language):
    answer = reader.get("/seasons" + query, headers=headers)
    assert answer.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert ("Winters" in answer.text) == (language == "en")


def test_a_chosen_language_stays_and_keeps_the_page(reader):
    page = reader.get(f"/seasons/{SEASON}?labels=reviewed&lang=ja")
    assert "lang=en" in page.text
    assert "labels=reviewed&amp;lang=en" in page.text
    assert '<html lang="ja">' in reader.get("/").text


# Every page


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_are_whole_and_their_links_lead_somewhere(reader, address, language):
    answer = reader.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    page = Links(answer.text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.inline == []
    assert answer.text.count("<h1") == 1
    here = {one for one in page.found if one.startswith("/")}
    assert here
    # Everything comes from this host: whole addresses and those of other hosts have no place in the pages.
    assert not [one for one in page.found if "//" in one]
    for one in sorted(here):
        if one not in ("/review/undo", "/sign-out") and ".nc" not in one and not one.startswith("/v1/frames/"):
            assert reader.get(one).status_code == 200, one


def test_pages_without_anything_recorded(make_client):
    client = make_client()
    for address in ("/", "/seasons", "/review", "/compare"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert Links(answer.text).open == []
    assert "client watch" in client.get("/").text


def test_names_are_text_whatever_is_in_them(make_client):
    client = make_client()
    said = make_records([f"{EVIL}{n}.png" for n in range(12)], season=EVIL, failed=(2,))
    said[2]["error"] = EVIL
    record(client, said)
    for frame in (1, 3):
        client.post("/review", data={"frame": frame, "mode": "SY", "reviewer": EVIL, "note": EVIL})
    link = re.search(r'href="(/seasons/[^"]+)"', client.get("/seasons").text)[1]
    for address in ("/", "/seasons", html.unescape(link), "/frames/1", "/frames/3", f"/review?season={quote(EVIL)}"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert "alert(" in answer.text, address
        assert "<script>" not in answer.text
        assert Links(answer.text).open == []


def test_a_page_that_is_not_there_is_a_sentence(reader):
    for address in ("/seasons/hse20612062", "/frames/99999", "/static/none.js", f"/seasons/{SEASON}?version=1"):
        answer = reader.get(address)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")
    assert "hse20152016" in reader.get("/seasons/hse20612062").text


def test_an_address_that_nobody_knows_is_a_page_for_a_person_and_a_problem_for_a_program(reader):
    person, program = {"Accept": "text/html,*/*;q=0.8"}, {"Accept": "application/json"}
    answer = reader.get("/nothing<b>", headers=person)
    assert answer.status_code == 404
    assert "There is nothing at /nothing&lt;b&gt;." in answer.text
    for address, headers in (("/nothing", program), ("/v1/nothing", person)):
        answer = reader.get(address, headers=headers)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert reader.put("/review", headers=person).status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/frames/0",
        "/frames/x",
        "/frames/99999999999999999999",
        "/review?queue=all",
        "/review?after=%00x",
        "/review?season=%00",
        "/compare?season=%00",
        f"/seasons/{SEASON}?labels=x",
        f"/seasons/{SEASON}?version=-1",
        "/?season=%00",
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(reader, address):
    answer = reader.get(address)
    assert answer.status_code in (404, 422)
    assert "received" in html.unescape(answer.text) or answer.status_code == 404


def test_the_database_away_is_told_as_a_page(make_client, tmp_path):
    client = make_client()
    record(client, make_records(3))
    (tmp_path / "winter.sqlite").rename(tmp_path / "elsewhere")
    (tmp_path / "winter.sqlite").mkdir()
    client.app.state.services.database.close()
    for address in ("/", "/seasons", "/review"):
        answer = client.get(address)
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"]
        assert "database" in answer.text
        assert Links(answer.text).open == []
    client.app.state.services.database.close()
    (tmp_path / "winter.sqlite").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "winter.sqlite")
    assert client.get("/").status_code == 200


def test_the_model_server_and_the_archive_away_are_told(make_client, tmp_path):
    folder = tmp_path / "archive" / SEASON
    folder.mkdir(parents=True)
    write_png(folder / "pr2hse00002.png", 1)
    client = make_client(archive=tmp_path / "archive")
    record(client, make_records(3))
    page = client.get("/").text
    assert "The model server is away" in page
    assert "/picture" in page
    assert "/heat-maps" not in page  # five pictures that cannot come would be five waits
    assert "does not hold this frame any more" in client.get("/frames/1").text
    client = make_client(archive=tmp_path / "archive")
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    assert "The archive of frames is away" in client.get("/").text


def test_pictures_of_jma_name_their_source(make_client, tmp_path):
    name = "Z__C_RJTD_20160306190000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin"
    folder = tmp_path / "archive" / SEASON
    folder.mkdir(parents=True)
    for one in (name, "plain.png"):
        (folder / one).write_bytes(b"")
    client = make_client(archive=tmp_path / "archive")
    record(client, make_records([name, "plain.png"]))
    assert "出典：気象庁ホームページ" in client.get("/frames/1").text
    assert "出典：気象庁ホームページ" not in client.get("/frames/2").text
    # The terms of use ask to say that the data were processed, in the reader's language.
    assert "(processed)" in client.get("/frames/1").text
    assert "(加工して作成)" in client.get("/frames/1", headers={"Accept-Language": "ja"}).text


def test_files_are_kept_by_browsers_as_long_as_they_are_the_same(reader):
    address = re.search(r'href="(/static/pages\.css\?v=[0-9a-f]+)"', reader.get("/").text)[1]
    kept = reader.get(address)
    assert "immutable" in kept.headers["Cache-Control"]
    assert kept.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" not in reader.get("/static/pages.css?v=0").headers["Cache-Control"]
    assert reader.get("/static/../site.py").status_code == 404
    assert reader.get("/favicon.ico").headers["Content-Type"].startswith("image/svg")


# Now


def now_with(make_client, age: timedelta, cadence: timedelta = timedelta(minutes=10)):
    client = make_client()
    start = datetime.now(UTC) - age - 5 * cadence
    record(client, make_records(6, start=start, cadence=cadence))
    return client


def test_a_frame_of_just_now(make_client):
    page = now_with(make_client, timedelta(minutes=3)).get("/").text
    assert "3 minutes ago" in page
    assert "Frames are late" not in page


def test_late_frames_are_trouble(make_client):
    page = now_with(make_client, timedelta(minutes=45)).get("/").text
    assert "Frames are late: the newest came 45 minutes ago, and one is due every 10 minutes." in page


def test_a_winter_that_is_over_is_no_trouble(make_client):
    page = now_with(make_client, timedelta(days=30)).get("/").text
    assert "No frames are coming in" in page
    assert "Frames are late" not in page


def test_a_frame_from_the_future_is_trouble(make_client):
    page = now_with(make_client, -timedelta(hours=5)).get("/").text
    assert "lies in the future" in page


def test_a_winter_without_times_says_what_to_do(make_client):
    client = make_client()
    record(client, [{**one, "time": None} for one in make_records(5)])
    page = client.get(f"/seasons/{SEASON}")
    assert page.status_code == 200
    assert "season.toml" in page.text
    assert client.get("/frames/1").status_code == 200
    assert client.get("/review").status_code == 200
    assert "Left out" in client.get("/compare").text
    assert "times unknown" in client.get("/seasons").text
    assert "No frames yet" in client.get("/").text


def test_the_list_of_winters_takes_in_what_has_come(client):
    assert ">142</td>" in client.get("/seasons").text  # two of 144 could not be classified
    later = datetime(2015, 12, 2, tzinfo=UTC)
    record(client, make_records([f"more{n}.png" for n in range(9)], start=later))
    page = client.get("/seasons").text
    assert ">151</td>" in page
    assert "2015-12-01 – 2015-12-02" in page


def test_winters_by_models_of_other_modes_are_not_set_side_by_side(client):
    record(client, make_records(20, season="hse20162017", codes=("SNOW", "RAIN")))
    page = client.get(f"/compare?season={SEASON}&season=hse20162017").text
    assert "their models have other modes: hse20162017" in page


# Season


def ribbon_of(client, query: str = ""):
    data = client.get(f"/seasons/{SEASON}/ribbon.json{query}").json()
    shape = len(data["days"]), data["cells"]
    for name, kind in (("modes", "<i1"), ("ids", "<u4"), ("confidence", "<u1"), ("marks", "<u1")):
        data[name] = np.frombuffer(base64.b64decode(data[name]), kind).reshape(shape)
    return data


def test_the_ribbon_holds_every_frame_at_its_time(reader):
    data = ribbon_of(reader)
    assert data["days"] == ["2015-12-01", "2015-12-02"]  # 144 frames from 09:00 JST
    assert data["cells"] == 144
    assert data["ids"][0, :54].sum() == 0
    assert (data["modes"][0, :54] == data["outside"]).all()
    listed = reader.get(f"/v1/frames?season={SEASON}&limit=1000").json()["frames"]
    assert len(listed) == 144
    for one in listed:
        moment = datetime.fromisoformat(one["time"]) + timedelta(hours=9)
        row, column = (moment.day - 1), (moment.hour * 60 + moment.minute) // 10
        assert data["ids"][row, column] == one["id"]
        if one["mode"] is None:
            assert data["modes"][row, column] == data["failed"]
            assert data["confidence"][row, column] == 255
        else:
            assert data["faces"][data["modes"][row, column]]["code"] == one["mode"]
            assert abs(data["confidence"][row, column] - 100 * one["confidence"]) <= 0.5 + 1e-6
            assert bool(data["marks"][row, column] & 1) == (not one["accepted"])


def test_corrections_show_in_the_ribbon_and_in_the_shares(client):
    first = client.get(f"/v1/frames?season={SEASON}&limit=1").json()["frames"][0]
    other = next(code for code in CODES if code != first["mode"])
    client.post("/review", data={"frame": first["id"], "mode": other, "reviewer": "nakai"})
    model, people = ribbon_of(client), ribbon_of(client, "?labels=reviewed")
    here = tuple(v[0] for v in (model["ids"] == first["id"]).nonzero())
    assert model["faces"][model["modes"][here]]["code"] == first["mode"]
    assert people["faces"][people["modes"][here]]["code"] == other
    assert people["marks"][here] == 2
    pages = [client.get(f"/seasons/{SEASON}?labels={one}").text for one in ("model", "reviewed")]
    assert pages[0] != pages[1]


def test_numbers_of_the_season_page_are_those_of_the_statistics(reader):
    said = reader.get(f"/v1/seasons/{SEASON}/statistics?zone=JST").json()
    page = reader.get(f"/seasons/{SEASON}").text
    for mode in said["modes"]:
        assert f"{mode['share'] * 100:.1f}\u202f%" in page
    assert f"<dd>{said['classified']}</dd>" in page
    assert f"<dd>{said['failed']}</dd>" in page


# Review


def shown_in(page: str) -> int:
    return int(re.search(r'name="frame" value="(\d+)"', page)[1])


def test_the_least_sure_frame_comes_first_and_skipping_goes_on(reader):
    listed = reader.get(f"/v1/frames?season={SEASON}&order=confidence&limit=10&failed=false").json()["frames"]
    page = reader.get("/review").text
    for one in listed[:4]:
        assert shown_in(page) == one["id"]
        page = reader.get(html.unescape(re.search(r'href="([^"]+)" data-key="j"', page)[1])).text


def test_a_review_is_saved_undone_and_its_frame_shown_again(client):
    frame = shown_in(client.get("/review").text)
    said = {"frame": frame, "mode": "VX", "reviewer": "中井 <一>", "season": SEASON, "queue": "doubtful"}
    answer = client.post("/review", data=said)
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert shown_in(page) != frame
    assert html.escape("中井 <一>") in page  # the name stays
    table = client.get(f"/v1/seasons/{SEASON}/labels.csv").text
    assert ",VX," in table
    review = re.search(r'name="review" value="(\d+)"', page)[1]
    undone = client.post("/review/undo", data={"review": review, "season": SEASON})
    assert undone.status_code == 303
    assert shown_in(client.get(undone.headers["Location"]).text) == frame
    assert ",VX," not in client.get(f"/v1/seasons/{SEASON}/labels.csv").text
    # Once more says that it is done, and changes nothing.
    assert client.post("/review/undo", data={"review": review}).status_code == 409


def test_queues_hold_what_they_say(reader):
    rejected = reader.get(f"/v1/frames?season={SEASON}&accepted=false&limit=1000").json()["frames"]
    page = reader.get("/review?queue=rejected").text
    assert f"{len(rejected)} frames are waiting" in page
    assert shown_in(page) == rejected[0]["id"]
    page = reader.get("/review?queue=differ").text
    frame = reader.get(f"/v1/frames/{shown_in(page)}").json()
    assert len({one["mode"] for one in frame["predictions"]}) == 2


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"mode": "SY"}, 422, "frame"),
        ({"frame": "1"}, 422, "mode"),
        ({"frame": "1", "mode": "SY"}, 422, "reviewer"),
        ({"frame": "1", "mode": "SY", "reviewer": "   "}, 422, "reviewer"),
        ({"frame": "1", "mode": "QQ", "reviewer": "a"}, 422, "SY, VX, LT, DM, NO"),
        ({"frame": "99999", "mode": "SY", "reviewer": "a"}, 404, "99999"),
        ({"frame": "1", "mode": "SY", "reviewer": "a", "note": "x" * 2001}, 422, "note"),
        ({"frame": "1", "mode": "SY", "reviewer": "a\x00"}, 422, "reviewer"),
        ({f"f{n}": "1" for n in range(30)}, 422, "form"),
    ],
)
def test_a_form_that_makes_no_sense_changes_nothing(reader, form, status, says):
    answer = reader.post("/review", data=form)
    assert answer.status_code == status, answer.text
    assert says in html.unescape(answer.text)
    assert reader.get("/v1/reviews").json() == []
    assert reader.post("/review", content=b"\xff\xfe=1", headers=FORM).status_code == 422


def test_without_the_right_to_write_there_are_no_buttons(make_client):
    record(make_client(), make_records(5))
    signed_out = make_client(tokens=("a-token-of-the-tests",))  # of the same database
    looking = make_client(read_only=True)
    page = signed_out.get("/review").text
    assert 'name="mode"' not in page
    assert "/sign-in?next=%2Freview" in page
    signed_out.post("/sign-in", data={"token": "a-token-of-the-tests", "next": "/review"})
    assert 'name="mode"' in signed_out.get("/review").text
    assert "Sign out" in signed_out.get("/review").text
    page = looking.get("/review").text
    assert 'name="mode"' not in page
    assert "read-only" in page
    assert looking.post("/review", data={"frame": "1", "mode": "SY", "reviewer": "a"}).status_code == 403


# Heat maps of a winter


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"season": SEASON}, 422, "start, cancel or resume"),
        ({"do": "begin"}, 422, "start, cancel or resume"),
        ({"do": "start", "season": "none", "method": "gradcam"}, 404, "hse20152016"),
        ({"do": "start", "season": SEASON, "method": "magic"}, 422, "magic"),
        ({"do": "start", "season": SEASON, "version": "x", "method": "gradcam"}, 422, "version"),
        ({"do": "cancel", "job": "none"}, 404, "none"),
        ({"do": "resume"}, 404, "no job"),
    ],
)
def test_what_is_no_wish_for_a_job_makes_none(reader, form, status, says):
    answer = reader.post("/heat-maps", data=form)
    assert answer.status_code == status, answer.text
    assert says in html.unescape(answer.text)
    assert reader.get("/v1/jobs").json()["jobs"] == []


def test_without_an_archive_there_is_no_button_for_the_job(client):
    page = client.get("/heat-maps").text
    assert 'name="do"' not in page
    assert "started without an archive" in page
    answer = client.post("/heat-maps", data={"do": "start", "season": SEASON, "method": "gradcam"})
    assert answer.status_code == 503
    assert "--archive" in answer.text


def test_a_job_is_started_stopped_and_resumed_from_the_page(make_client, tmp_path):
    folder = tmp_path / "archive" / SEASON
    folder.mkdir(parents=True)
    write_png(folder / "pr2hse00000.png", 1)
    client = fill(make_client(archive=tmp_path / "archive"))
    # Without a model server it waits, and says so.
    start = {"do": "start", "season": SEASON, "version": VERSION, "method": "gradcam"}
    there = client.post("/heat-maps", data=start).headers["Location"]
    assert "data-every" in client.get(there).text
    (job,) = client.get("/v1/jobs").json()["jobs"]
    client.post("/heat-maps", data=start)  # pressed twice, it is still one
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1
    assert client.post("/heat-maps", data={"do": "cancel", "job": job["id"]}).status_code == 303
    wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled", "the job is cancelled")
    page = client.get(there).text
    assert "data-every" not in page
    assert 'value="resume"' in page
    assert client.post("/heat-maps", data={"do": "resume", "job": job["id"]}).status_code == 303
    assert client.get(f"/v1/jobs/{job['id']}").json()["state"] in ("queued", "running", "waiting")


# What they are made of


@given(
    st.lists(st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=16), unique=True, max_size=12)
)
def test_every_key_means_one_thing(codes):
    keys = [key for key in keys_of(codes).values() if key]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set(RESERVED)
    assert all(len(key) == 1 for key in keys)


def test_the_usual_modes_have_the_keys_of_their_letters():
    assert keys_of(CODES) == {"SY": "s", "VX": "v", "LT": "l", "DM": "d", "NO": "n"}


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_letters_are_legible_on_any_colour(color):
    ground = "#{:02x}{:02x}{:02x}".format(*color)
    light, dark = sorted((luminance(ground), luminance(ink_on(ground))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@given(st.floats(1e-6, 1e6))
def test_axes_end_at_round_numbers_not_far_above(value):
    end = charts.ceiling(value)
    assert value * (1 - 1e-9) <= end <= value * 2.5 * (1 + 1e-9)
    assert f"{end:.0e}"[0] in "125"


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=40))
def test_lines_leave_out_what_is_not_there(values):
    points = [pair for run in charts.line(values, 100, 10) for pair in run.split()]
    known = sum(value == value for value in values)
    runs = sum(value == value and (n == 0 or values[n - 1] != values[n - 1]) for n, value in enumerate(values))
    assert len(points) == known + 2 * runs
    assert "nan" not in " ".join(points)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (60 * 59, "59 minutes ago"),
        (3600 * 30, "30 hours ago"),
        (86400 * 9, "9 days ago"),
        (-3600, "in the future"),
    ],
)
def test_ages_are_told_in_a_fitting_unit(seconds, text):
    assert times.describe_age(Words("en"), seconds) == text
