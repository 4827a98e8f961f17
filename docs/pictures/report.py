"""Takes `docs/images/report.png` of the page of a run: its first screen, and the chart of its clients.

.venv/bin/pip install -e '.[browser]'
.venv/bin/python docs/pictures/report.py reports/20260101T120000Z-...
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[1] / "images" / "report.png"
WIDTH = 1280


def main() -> None:
    page_file = (Path(sys.argv[1]) / "report.html").resolve()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached")
        last = page.locator("figure").first.bounding_box()
        assert last is not None
        clip = {"x": 0.0, "y": 0.0, "width": float(WIDTH), "height": last["y"] + last["height"] + 16}
        taken = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
        browser.close()
    taken.convert("RGB").quantize(256).save(PICTURE, optimize=True)  # a third of the bytes, and no eye sees it


if __name__ == "__main__":
    main()
