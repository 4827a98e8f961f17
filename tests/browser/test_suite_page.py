"""The page over several experiments in a real browser: it needs no script, fits a phone, and everybody can read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenes
from suite_built import BROKEN, INTERRUPTED, NOT_RUN, SKIPPED, built

from chaosrun.reports._page_strip import strip
from chaosrun.reports._suite_page import Drawn, page_of, render_suite_page

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

Show = Callable[..., Any]


@pytest.fixture(scope="module")
def page() -> bytes:
    ran = [scenes.passed(), scenes.failed(), scenes.inconclusive()]
    suite, results = built([*(run.result for run in ran), BROKEN, SKIPPED, NOT_RUN], INTERRUPTED)
    drawn = {
        number: Drawn(strip(run.result, run.picture, f"Clients over run {number}"), page_of(f"RUN-{number}"))
        for number, run in enumerate(ran, 1)
    }
    return render_suite_page(suite, results, drawn)


def test_all_are_told_of_and_drawn_without_a_script(shown: Show, page: bytes) -> None:
    opened = shown(page, java_script_enabled=False)
    assert opened.locator(".badge").inner_text().strip().endswith("Aborted")
    assert opened.locator(".experiments tbody tr").count() == 6
    assert opened.locator(".one svg.strip").count() == 3
    assert opened.locator(".experiments a").first.get_attribute("href") == "RUN-1/report.html"


@pytest.mark.parametrize("width", [360, 390, 800, 1280])
def test_it_fits_every_width(shown: Show, page: bytes, width: int) -> None:
    opened = shown(page, viewport={"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_contrast_included(shown: Show, axe: str, page: bytes, scheme: str) -> None:
    opened = shown(page, color_scheme=scheme)
    opened.evaluate(axe)
    found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]] == []
