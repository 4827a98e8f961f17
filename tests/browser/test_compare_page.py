"""The page of a comparison in a real browser: it needs no script, fits a phone, and everybody can read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import scenes
from kept import CONDITIONS, RELEASE_2, result

from chaosrun.reports._compare_page import OneSide, Shown, render_page, representative
from chaosrun.scoring.comparable import SHOWN, subjects
from chaosrun.scoring.comparison import Run, compare

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

Show = Callable[..., Any]


def runs(times: Sequence[float | None], side: str) -> list[Run]:
    conditions = CONDITIONS if side == "v1" else RELEASE_2
    return [Run(f"reports/{side}/run-{n}", result(ttr, conditions)) for n, ttr in enumerate(times, 1)]


@pytest.fixture(scope="module")
def page() -> bytes:
    a, b = runs([2.0, 2.1, 2.2], "v1"), runs([4.0, 4.1, None], "v2")
    also = [subject for name in SHOWN for subject in subjects(name, list(a[0].result.groups))]
    found = compare(a, b, decide=subjects("ttr", []), also=also)
    scene = {"A": scenes.passed().picture, "B": scenes.never_recovered().picture}
    sides = [
        OneSide(letter, named, side, [run.result for run in of], Shown(representative(of), scene[letter]))
        for letter, named, side, of in (("A", "reports/v1", found.a, a), ("B", "reports/v2", found.b, b))
    ]
    return render_page(found, "Users are served again", *sides)


def test_both_sides_are_drawn_without_a_script(shown: Show, page: bytes) -> None:
    opened = shown(page, java_script_enabled=False)
    assert opened.locator(".badge").inner_text().strip().endswith("Regression")
    assert opened.locator(".sides svg.strip").count() == 2
    assert opened.locator("svg.dots").first.locator("circle").count() == 5
    assert opened.locator("svg.dots").first.locator("text").count() == 1
    assert opened.locator("svg.returns path.curve").count() == 6
    box = opened.locator("svg.returns").bounding_box()
    assert box["width"] > 600
    assert box["height"] > 200


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
