"""The page of a history in a real browser: it needs no script, fits a phone, and everybody can read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kept import CONDITIONS, changed, keep
from past import STEADY, keep_days, ran

from chaosrun.history.index import read_runs
from chaosrun.history.trends import history
from chaosrun.reports._history_page import render_page

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

Show = Callable[..., Any]
NAMES = "20260301T040000Z-300-users-are-served-again-within-10-s-of-a-server-crash-{}"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("reports")
    for day, ttr in enumerate([*STEADY, 3.0, 3.1, 3.05, None]):
        keep(folder / NAMES.format(day), ran(ttr, day=day, verdict="passed" if ttr else "failed"))
    elsewhere = changed(CONDITIONS, {"machine.host": "there"})
    keep_days(folder / "there", STEADY[:4], conditions=elsewhere)
    (folder / "torn").mkdir()
    (folder / "torn" / "result.json").write_text("{")
    return render_page(history(read_runs(folder)), lambda place: f"{place}/report.html")


def test_every_run_is_drawn_and_listed_without_a_script(shown: Show, page: bytes) -> None:
    opened = shown(page, java_script_enabled=False)
    assert opened.locator(".badge").inner_text().strip().endswith("1 of 2 got worse")
    plot = opened.locator("svg.trend").first
    assert (plot.locator("circle.dot").count(), plot.locator("circle.slow").count()) == (12, 3)
    assert plot.locator("text.cross").count() == 1
    assert plot.bounding_box()["width"] > 600
    opened.locator("summary").first.click()
    assert opened.locator("details[open] tbody tr").count() == 13
    assert opened.locator("details[open] tbody tr.worse").count() == 4


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_it_fits_every_width(shown: Show, page: bytes, width: int) -> None:
    opened = shown(page, viewport={"width": width, "height": 800})
    opened.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_contrast_included(shown: Show, axe: str, page: bytes, scheme: str) -> None:
    opened = shown(page, color_scheme=scheme)
    opened.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    opened.evaluate(axe)
    found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]] == []
