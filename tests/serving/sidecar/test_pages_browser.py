"""The pages in a real browser: Debian's Chromium, driven by Playwright, against a sidecar process.

Every page must be silent: a message on the console is a script that failed, or something the policy refused.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.sidecar.conftest import CADENCE, FRAMES, SEASON
from tests.serving.sidecar.process import CODES, VERSION, Sidecar, make_records, wait_until

CHROMIUM = shutil.which("chromium")
# Without these Chromium calls its makers, and runs no tests as root.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DESKTOP, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 740}
WINTER = "hse20162017"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as drivers:
        one = drivers.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield one
        one.close()


@pytest.fixture(scope="module")
def site(
    server: str, archive: Path, records_of_archive: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A sidecar with two versions of the archive's frames, and a winter of which there are no pictures."""
    one = Sidecar(tmp_path_factory.mktemp("pages"), f"--archive={archive}", "--requests-per-minute=0", server=server)
    try:
        older = make_records(FRAMES, season=SEASON, cadence=CADENCE, version=VERSION - 100, seed=7)
        for records in (records_of_archive, older, make_records(1000, season=WINTER, failed=(5, 500))):
            assert one.record(records).status == 200
        yield one
    finally:
        one.stop()


@pytest.fixture
def visit(browser: Any, site: Sidecar) -> Iterator[Callable[..., Any]]:
    """Opens pages; at the end none of them may have complained."""
    contexts, said = [], []

    def open_page(path: str, *, wait: str = "networkidle", url: str = "", **more: Any) -> Any:
        context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **more})
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        # Reading the canvas back is what the tests do, not the page.
        page.on("console", lambda one: "getImageData" in one.text or said.append(f"{path}: {one.type}: {one.text}"))
        page.on("pageerror", lambda error: said.append(f"{path}: {error}"))
        page.goto((url or site.url) + path, wait_until=wait)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def frames_of(site: Sidecar, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.ask(f"/v1/frames?season={SEASON}&limit=1000{query}").json["frames"]
    return found


def labels_of(site: Sidecar) -> dict[str, str]:
    text = site.ask(f"/v1/seasons/{SEASON}/labels.csv").text
    return {row["file"]: row["label"] for row in csv.DictReader(io.StringIO(text))}


def pixels_of(page: Any) -> np.ndarray:
    """What the ribbon's canvas holds, shape (rows, columns, 4)."""
    width, height, values = page.evaluate(
        """() => {
          const canvas = document.querySelector(".ribbon canvas");
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let text = "";
          for (const value of data) text += String.fromCharCode(value);
          return [canvas.width, canvas.height, btoa(text)];
        }"""
    )
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width, 4)


def is_drawn(page: Any, selector: str) -> bool:
    """Whether every picture has come."""
    return bool(
        page.eval_on_selector_all(
            selector, "all => all.length > 0 && all.every(one => one.complete && one.naturalWidth > 0)"
        )
    )


ADDRESSES = (
    "/",
    "/seasons",
    f"/seasons/{WINTER}",
    "/frames/{frame}",
    f"/review?season={SEASON}",
    "/compare",
    "/sign-in",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_pages_fit_a_phone_in_both_languages(visit, site, address):
    path = address.format(frame=frames_of(site)[0]["id"])
    for language in ("en-GB", "ja-JP"):
        page = visit(path, viewport=PHONE, locale=language, has_touch=True, is_mobile=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.evaluate("document.documentElement.lang") == language[:2]


CONTRAST = """
() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c /= 255, c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const mix = (over, under) => {
    const a = over[3] ?? 1;
    return [0, 1, 2].map((k) => over[k] * a + under[k] * (1 - a));
  };
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, over) => mix(over, under), [255, 255, 255]);
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || element.closest("svg, noscript, script, .unseen, .skip") || !element.checkVisibility()) continue;
    const under = ground(element);
    const [a, b] = [light(mix(parse(getComputedStyle(element).color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""

NAMELESS = """
() => {
  const nameless = [];
  for (const one of document.querySelectorAll("a, button, input:not([type=hidden], [hidden]), select, textarea, img, [role=img], canvas")) {
    const name = one.getAttribute("aria-label") ?? one.getAttribute("alt") ?? one.labels?.[0]?.textContent ?? one.textContent;
    if (!name.trim() && one.getAttribute("alt") !== "") nameless.push(one.outerHTML.slice(0, 120));
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1]));
  levels.forEach((level, n) => { if (n && level > levels[n - 1] + 1) nameless.push(`heading ${n} is of level ${level}`); });
  for (const table of document.querySelectorAll("table")) if (!table.querySelector("th")) nameless.push("a table without headers");
  return nameless;
}
"""  # noqa: E501


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_everything_has_a_name_and_can_be_read(visit, site, address, scheme):
    page = visit(address.format(frame=frames_of(site)[0]["id"]), color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


def test_now_shows_the_newest_frame_with_its_five_maps(visit, site):
    page = visit(f"/?season={SEASON}")
    newest = frames_of(site, "&order=-time")[0]
    assert newest["frame"] in page.inner_text("main")
    assert newest["mode"] in page.inner_text("h1")
    assert page.locator(".maps figure").count() == 1 + len(CODES)
    assert is_drawn(page, ".maps img")
    # The server hosts another version than the records name; the page says whose maps these are.
    assert "which is hosted now" in page.inner_text("main")
    cells = page.locator(".strip a")
    assert cells.count() == 30  # of the last 24 hours, 48 minutes each
    cells.nth(3).click()
    page.wait_for_url("**/frames/*")


def test_the_ribbon_is_drawn_and_opens_frames(visit, site):
    page = visit(f"/seasons/{WINTER}")
    page.wait_for_selector(".ribbon[data-drawn] canvas")
    drawn = pixels_of(page)
    shares = {one["code"]: one["share"] for one in site.ask(f"/v1/seasons/{WINTER}/statistics").json["modes"]}
    faces = page.evaluate(f"fetch('/seasons/{WINTER}/ribbon.json').then(a => a.json()).then(a => a.faces)")
    counts = {
        face["code"]: int((drawn[..., :3] == [int(face["color"][k : k + 2], 16) for k in (1, 3, 5)]).all(-1).sum())
        for face in faces
    }
    for code, share in shares.items():
        assert counts[code] / sum(counts.values()) == pytest.approx(share, abs=0.005), code

    canvas = page.locator(".ribbon canvas")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 24 + 5 * 2 + 2)
    tip = page.locator(".ribbon .tip")
    said = tip.inner_text()
    found = re.match(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) JST\s+([A-Z]{2}) .*?(\d+) %", said)
    assert found, said
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/frames/*")
    assert f"{found[1]} {found[2]} JST" in page.inner_text("main")
    assert found[3] in page.inner_text("h1")


def test_the_ribbon_is_read_with_keys(visit, site):
    page = visit(f"/seasons/{WINTER}")
    page.wait_for_selector(".ribbon[data-drawn] canvas")
    page.locator(".ribbon canvas").focus()
    spoken = page.locator(".ribbon [aria-live]")
    page.keyboard.press("Home")
    assert "2015-12-01 09:00 JST" in spoken.inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert "2015-12-02 09:10 JST" in spoken.inner_text()
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert "not classified" in spoken.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/frames/*")
    assert "is truncated" in page.inner_text("h1")


def test_one_mode_can_be_seen_alone(visit, site):
    page = visit(f"/seasons/{WINTER}")
    page.wait_for_selector(".ribbon[data-drawn] canvas")
    before = pixels_of(page)
    button = page.locator(".ribbon .filter button").nth(2)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    alone = pixels_of(page)
    assert (before != alone).any()
    button.click()
    assert (pixels_of(page) == before).all()


def test_a_finger_reads_first_and_opens_then(visit, site):
    page = visit(f"/seasons/{WINTER}", viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector(".ribbon[data-drawn] canvas")
    canvas = page.locator(".ribbon canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = box["x"] + box["width"] / 2, box["y"] + 24 + 5 * 2 + 2
    page.touchscreen.tap(*place)
    assert page.locator(".ribbon .tip").is_visible()
    assert "/seasons/" in page.url
    page.touchscreen.tap(*place)
    page.wait_for_url("**/frames/*")


def test_without_scripts_the_ribbon_is_a_picture_and_reviews_work(visit, site):
    page = visit(f"/seasons/{SEASON}", java_script_enabled=False)
    assert page.locator("noscript img").count() == 1
    # Without scripts the review is the same form.
    page.goto(f"{site.url}/review?season={SEASON}&queue=rejected")
    name = page.locator(".large figcaption a").inner_text()
    page.locator("input[name=reviewer]").fill("without a script")
    page.locator("button[name=mode][value=DM]").click()
    assert labels_of(site)[name] == "DM"
    page.locator("form[action='/review/undo'] button").click()
    assert name not in labels_of(site)
    assert page.locator(".large figcaption a").inner_text() == name


def test_arrow_keys_turn_over_frames(visit, site):
    listed = frames_of(site)
    page = visit(f"/frames/{listed[10]['id']}")
    assert is_drawn(page, ".maps img")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**/frames/{listed[11]['id']}")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/frames/{listed[10]['id']}")
    assert listed[10]["frame"] in page.title()
    versions = page.locator("table tbody th").all_inner_texts()
    assert versions == [str(VERSION), str(VERSION - 100)]


def test_a_review_by_keyboard_is_in_labels_csv_and_can_be_undone(visit, site):
    page = visit(f"/review?season={SEASON}")
    first = frames_of(site, "&order=confidence&reviewed=false")[0]
    name = page.locator(".large figcaption a").inner_text()
    assert name == first["frame"]
    assert is_drawn(page, ".large img")
    page.keyboard.press("v")  # without a name nothing is sent
    assert page.evaluate("document.activeElement.name") == "reviewer"
    assert name not in labels_of(site)
    page.keyboard.type("snow vole")  # letters of modes, in a field, are letters
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    with page.expect_navigation():
        page.keyboard.press("v")
    assert labels_of(site)[name] == "VX"
    assert page.locator(".large figcaption a").inner_text() != name
    assert page.locator("input[name=reviewer]").input_value() == "snow vole"

    second = page.locator(".large figcaption a").inner_text()
    says = page.locator(".says").first.inner_text()
    with page.expect_navigation():
        page.keyboard.press("Enter")  # agree
    assert labels_of(site)[second] in says

    third = page.locator(".large figcaption a").inner_text()
    with page.expect_navigation():
        page.keyboard.press("ArrowRight")  # skip
    assert page.locator(".large figcaption a").inner_text() != third
    assert third not in labels_of(site)

    with page.expect_navigation():
        page.keyboard.press("u")
    assert second not in labels_of(site)
    assert page.locator(".large figcaption a").inner_text() == second
    with page.expect_navigation():
        page.keyboard.press("u")
    assert labels_of(site) == {}
    assert page.locator(".large figcaption a").inner_text() == name


def test_a_reviewer_signs_in_where_tokens_are_set(visit, site, archive, records_of_archive, start_sidecar):
    token = "a-token-of-the-tests"
    one = start_sidecar(f"--archive={archive}", env={"SNOWMODE_SIDECAR_TOKENS": token})
    assert one.record(records_of_archive, Authorization=f"Bearer {token}").status == 200
    page = visit("/review", url=one.url)
    assert page.locator("button[name=mode]").count() == 0
    page.get_by_role("link", name="Sign in to review").click()
    page.get_by_label("Token").fill("not this one")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/review")
    name = page.locator(".large figcaption a").inner_text()
    page.locator("input[name=reviewer]").fill("nakai")
    page.locator("button[name=mode][value=LT]").click()
    page.wait_for_selector(".last")
    assert labels_of(one) == {name: "LT"}
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{one.url}/review")
    assert page.locator("button[name=mode]").count() == 0


def test_pages_show_what_is_recorded_while_the_model_server_is_away(
    visit, archive, records_of_archive, start_sidecar
):
    one = start_sidecar(f"--archive={archive}")
    assert one.record(records_of_archive).status == 200
    page = visit("/", url=one.url)
    assert "The model server is away" in page.inner_text("[role=status]")
    assert is_drawn(page, ".frame img")
    assert page.locator(".maps b").count() == len(CODES)  # probabilities stay


def test_heat_maps_of_a_winter_are_summed_up_from_the_page(visit, server, archive, start_sidecar):
    one = start_sidecar(f"--archive={archive}", server=server)
    version = one.ask("/v1/model").json["version"]
    assert one.record(make_records(FRAMES, season=SEASON, cadence=CADENCE, version=version)).status == 200
    page = visit(f"/seasons/{SEASON}", url=one.url)
    assert "not been summed up" in page.inner_text("#heat-maps")
    page.get_by_role("button", name="Sum them up").click()
    # Nobody loads the page again: it keeps itself up to date until the job is done.
    page.wait_for_selector("#heat-maps:not([data-every]) img, #heat-maps[data-every=''] img")
    assert f"over {FRAMES} frames" in page.inner_text("#heat-maps")
    wait_until(lambda: is_drawn(page, "#heat-maps img"), "the sheet is drawn")
    page.get_by_label("For").select_option("month")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**by=month**")
    wait_until(lambda: is_drawn(page, "#heat-maps img"), "the sheet is drawn")


def test_now_refreshes_itself(visit, site):
    page = visit(f"/?season={SEASON}")
    newest = frames_of(site, "&order=-time")[0]
    fresh = make_records(["pr2hse00000.png", "fresh.png"], season=SEASON, seed=3)[1]
    fresh["time"] = newest["time"].replace("2015-12-02", "2015-12-03")
    assert site.record([fresh]).status == 200
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("text=fresh.png")
    page.wait_for_selector(".frame p.away")  # its picture is not in the archive: said in words
