"""Renews the pictures of the guide, and the numbers it shows, by the commands it shows.

    python -m tests.docs.pictures              about 15 minutes on two cores; afterwards look at what changed
    python -m tests.docs.pictures --page operate --folder build/operate

The commands run exactly as the page shows them, not smaller as in tests. A page of the sidecar is photographed with
Chromium; without it those pictures stay as they are, and it says so.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image

from tests.docs.blocks import ROOT, Page, Picture, read
from tests.docs.running import Stage
from tests.docs.shown import renewed

LARGEST = 150_000
CHROMIUM = shutil.which("chromium")


def main() -> None:
    """Runs a page, and writes its pictures and shown output in every language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", default="guide", help="name of a page in docs/, without .md")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "guide", help="where the commands run")
    given = parser.parse_args()
    page = read(ROOT / "docs" / f"{given.page}.md")
    shutil.rmtree(given.folder, ignore_errors=True)
    shutil.rmtree(given.folder.with_name(f"{given.folder.name}.state"), ignore_errors=True)
    shown = {}
    with Stage(given.folder.resolve(), smaller=False) as stage:
        for count, block in enumerate(page.blocks, start=1):
            if block.language in ("sh", "python") and not block.not_executed:
                print(f"$ {block.text.strip()}", flush=True)
                printed = stage.run(block)
                print(printed, flush=True)
                if block.output:
                    shown[block.output.text] = renewed(block.output.text, printed)
            # A picture is taken where it stands: later commands may write another under the same name.
            for picture in page.pictures:
                if picture.after == count and picture.source:
                    _take(picture, page, stage)
    for path in [page.path, page.path.with_suffix(".ja.md")]:
        text = path.read_text(encoding="utf-8")
        for before, after in shown.items():
            text = text.replace(f"```text\n{before}```", f"```text\n{after}```")
        path.write_text(text, encoding="utf-8")


def _take(picture: Picture, page: Page, stage: Stage) -> None:
    goal = page.path.parent / picture.path
    if picture.is_page:
        if CHROMIUM is None:
            print(f"{goal.name} stays as it is: there is no chromium here", file=sys.stderr)
            return
        data = _photograph(stage.with_own_ports(picture.source))
    else:
        data = next(stage.folder.glob(picture.source)).read_bytes()
    goal.write_bytes(_small(data))
    print(f"{goal.name}: {goal.stat().st_size / 1000:.0f} kB, was {len(data) / 1000:.0f}", flush=True)


def _photograph(address: str) -> bytes:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1200, "height": 800}, locale="en-GB")
        view.goto(address, wait_until="networkidle")
        data = view.screenshot()
        browser.close()
    return bytes(data)


def _small(data: bytes) -> bytes:
    """Makes a picture fit for a document: no wider than a page shows, and with fewer colours if it must be.

    Of the ways to choose colours this one keeps rare ones; others turn the few strongest echoes into another class.
    """
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    width = min(picture.width, 1200)
    while True:
        size = (width, round(picture.height * width / picture.width))
        small = picture.resize(size, Image.Resampling.LANCZOS) if size != picture.size else picture
        for one in (small, small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)):
            out = io.BytesIO()
            one.save(out, "png", optimize=True)
            if out.tell() <= LARGEST:
                return out.getvalue()
        width = int(width * 0.9)


if __name__ == "__main__":
    main()
