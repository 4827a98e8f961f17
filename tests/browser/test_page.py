"""`report.html` in a real browser: it opens without an error, draws every chart, and is used by mouse and keyboard."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
import scenes
from hand_built import FAILED, PASSED
from hand_drawn import drawn, picture
from msgspec.structs import replace
from plots import Open, of_figure, opacity, pictures, pixels, plots, settle

from chaosrun.scoring.result import Finding

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

HOSTILE = "</script><img src=x onerror=\"document.title='taken over'\">\x1b[31m\u202etxt"
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => (each.open = true))"


# ---- every kind of run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "verdict"),
    [
        (scenes.passed, "Passed"),
        (scenes.failed, "Failed"),
        (scenes.never_recovered, "Failed"),
        (scenes.inconclusive, "Inconclusive"),
        (scenes.load_test, "Passed"),
        (scenes.several, "Passed"),
    ],
)
def test_every_kind_of_run_opens_without_an_error_or_a_request(opened: Open, scene: Any, verdict: str) -> None:
    page = opened(scene())
    assert page.locator(".badge").inner_text().endswith(verdict)
    assert len(plots(page)) >= 7


def test_groups_have_a_section_each_and_episodes_a_number(opened: Open) -> None:
    page = opened(scenes.several())
    assert page.locator("#charts h3").all_inner_texts()[0].startswith("accounts")
    assert page.locator("figure[data-chart=ribbon]").count() == 2
    assert "Episode 1" in page.locator("#waterfall-0-said").inner_text()


def test_clients_that_never_came_back_are_told_first_of_all(opened: Open) -> None:
    page = opened(scenes.never_recovered())
    assert "20 never came back" in page.locator(".cards").inner_text()
    assert "never came back" in page.locator(".story").inner_text()


# ---- the charts -----------------------------------------------------------------------------------------------------


DRAWN = {
    "ribbon-0": [("usable", "down")],
    "heat-0": [("late-5",), ("never-5",)],
    "waterfall-0": [("hue-1", "hue-2", "hue-4"), ("refused",)],
    "losses-0": [("hue-8", "hue-7"), ("hue-8",)],
    "rates-0": [("good",), ("pushes",)],
    "roles": [("hue-1", "hue-4"), ("hue-1", "hue-4")],
    "observer": [("hue-1", "hue-2", "limit")],
}
"""Of each figure, for each of its plots, colours that must be seen in it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_chart_is_drawn_in_the_colours_of_its_theme(opened: Open, scheme: str) -> None:
    page = opened(drawn(PASSED, picture()), color_scheme=scheme)
    for figure, expected in DRAWN.items():
        found = of_figure(page, figure)
        assert len(found) == len(expected), figure
        for plot, colours in zip(found, expected, strict=True):
            assert all(pixels(page, plot, colour) > 0 for colour in colours), (figure, colours)


def test_the_band_of_the_fault_stands_where_the_fault_was(opened: Open) -> None:
    drawing = picture()
    page = opened(drawn(PASSED, drawing))
    fault = drawing.faults[0]
    inside = (fault.call + fault.removed) / 2 / drawing.end
    for figure in ("rates-0", "roles", "observer"):
        plot = of_figure(page, figure)[0]
        assert opacity(page, plot, inside) > 0
        assert opacity(page, plot, 0.27) == opacity(page, plot, 0.77) == 0


def test_a_single_loss_among_hundreds_of_thousands_of_messages_is_seen(opened: Open) -> None:
    page = opened(drawn(PASSED, picture(clients=10_000, seconds=3600.0)))
    assert pixels(page, of_figure(page, "losses-0")[0], "hue-7") >= 3


def test_ten_thousand_clients_over_an_hour_open_and_draw_in_a_few_seconds(opened: Open) -> None:
    run = drawn(PASSED, picture(clients=10_000, seconds=3600.0))
    began = time.monotonic()
    page = opened(run)
    page.keyboard.press("Tab")
    assert time.monotonic() - began < 20  # of a machine that does much else; one second where it does not
    assert page.evaluate("performance.now()") < 20_000


# ---- mouse and keyboard ---------------------------------------------------------------------------------------------


def test_dragging_over_one_chart_zooms_all_and_a_double_click_shows_the_whole_run(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    before = pictures(page)
    box = page.locator("#rates-0 .u-over").first.bounding_box()
    page.locator("#rates-0").scroll_into_view_if_needed()
    box = page.locator("#rates-0 .u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=5)
    page.mouse.up()
    settle(page)
    assert all(old != new for old, new in zip(before, pictures(page), strict=True))
    from_, to = (float(word) for word in page.locator("#shown").inner_text().split() if word[0].isdigit())
    assert from_ == pytest.approx(90, abs=2) and to == pytest.approx(150, abs=2)
    page.locator("#rates-0 .u-over").first.dblclick()
    settle(page)
    assert pictures(page) == before


def test_the_cursor_stands_at_the_same_instant_in_all_charts_and_is_read_out(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    page.locator("#ribbon-0 .u-over").first.hover(position={"x": 300, "y": 40})
    places = page.evaluate(
        "[...document.querySelectorAll('.cursor')].map((each) => [each.hidden, each.style.transform])"
    )
    assert len({tuple(place) for place in places}) == 1 and places[0][0] is False
    assert "before the fault" in page.locator("#at").inner_text()
    assert all(text.strip() for text in page.locator("#ribbon-0 .item-value").all_inner_texts())


def test_keys_move_the_cursor_zoom_and_reset_and_what_is_read_is_announced(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    before = pictures(page)
    plot = page.locator("#ribbon-0 .plot")
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.locator("#live", has_text="Clients at ").wait_for(state="attached")
    assert "usable 300" in page.locator("#live").text_content()
    page.keyboard.press("+")
    settle(page)
    assert all(old != new for old, new in zip(before, pictures(page), strict=True))
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    settle(page)
    assert pictures(page) == before


def test_every_chart_and_table_can_be_reached_by_tab(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    page.evaluate(OPEN_ALL)
    seen = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("[...document.querySelectorAll('.plot, .frame')].indexOf(document.activeElement)"))
    assert seen >= set(range(page.locator(".plot, .frame").count()))


def test_the_buttons_do_what_the_keys_do(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    assert page.locator("#reset").is_disabled()
    page.locator("#zoom-in").click()
    page.locator("#zoom-in").click()
    assert _shown(page) == pytest.approx(75, abs=0.1)
    page.locator("#zoom-out").click()
    assert _shown(page) == pytest.approx(150, abs=0.1)
    page.locator("#reset").click()
    assert page.locator("#shown").inner_text() == "whole run, 0.00 s to 300.00 s"


def _shown(page: Any) -> float:
    """How many seconds of the run are."""
    a, b = (float(word) for word in page.locator("#shown").inner_text().split() if word[0].isdigit())
    return b - a


# ---- text of others -------------------------------------------------------------------------------------------------


def test_hostile_text_is_shown_and_does_nothing(opened: Open) -> None:
    finding = Finding(severity="critical", title=HOSTILE, evidence=HOSTILE, action=HOSTILE)
    drawing = picture()
    role = replace(drawing.roles[0], name=HOSTILE)
    group = replace(drawing.groups[0], name=HOSTILE, losses=replace(drawing.groups[0].losses, channel=HOSTILE))
    result = replace(FAILED, title=HOSTILE, findings=[finding])
    page = opened(drawn(result, replace(drawing, roles=[role], groups=[group])))
    assert page.locator("img").count() == 0 and not page.title().startswith("taken")
    assert "</script><img src=x" in page.locator("h1").inner_text()
    assert "\\x1b[31m\\u202etxt" in page.locator("h1").inner_text()
    assert "</script><img src=x" in page.locator("#roles .legend").first.inner_text()


# ---- themes, sizes, paper, and without a script ---------------------------------------------------------------------


def test_the_button_goes_from_the_systems_theme_to_light_to_dark(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    grounds = []
    for _ in range(3):
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.locator("#theme").click()
    assert grounds[0] == grounds[1] != grounds[2]


@pytest.mark.parametrize("width", [360, 390, 660, 800])
def test_no_page_is_wider_than_a_phone(opened: Open, width: int) -> None:
    page = opened(drawn(FAILED, picture()), viewport={"width": width, "height": 844})
    page.evaluate(OPEN_ALL)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = [box["x"] + box["width"] for plot in plots(page) if (box := plot.bounding_box())]
    assert max(right) <= width


def test_charts_follow_the_width_of_the_window(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()))
    page.set_viewport_size({"width": 700, "height": 900})
    settle(page)
    settle(page)  # the charts are told of it after the first
    assert max(box["x"] + box["width"] for plot in plots(page) if (box := plot.bounding_box())) <= 700
    assert all(canvas.bounding_box()["width"] < 700 for canvas in page.query_selector_all(".plot canvas"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


def test_on_paper_the_charts_are_light_and_fit(opened: Open) -> None:
    page = opened(drawn(PASSED, picture()), color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    settle(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#bar").is_visible()
    assert all(plot.bounding_box()["width"] > 200 for plot in page.query_selector_all(".plot canvas"))
    assert pixels(page, of_figure(page, "ribbon-0")[0], "usable") > 0
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF") and len(paper) > 50_000


def test_without_a_script_the_first_screen_the_words_and_the_tables_are_there(opened: Open) -> None:
    page = opened(drawn(FAILED, picture()), java_script_enabled=False)
    assert page.locator(".badge").is_visible() and page.locator(".strip").is_visible()
    assert "drawn by a script" in page.locator("noscript").inner_text()
    page.locator("#ribbon-0 summary").click()
    assert page.locator("#ribbon-0 table").is_visible()
    assert page.locator("#ribbon-0-said").is_visible()
    assert not page.locator("#bar").is_visible()


# ---- accessibility --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("result", [PASSED, FAILED], ids=["passed", "failed"])
def test_axe_finds_nothing_wrong_contrast_included(opened: Open, axe: str, result: Any, scheme: str) -> None:
    page = opened(drawn(result, picture()), color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]] == []


def test_headings_go_down_one_step_at_a_time(opened: Open) -> None:
    page = opened(scenes.several())
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
