"""`story.png`: a picture of the right size that shows the verdict and who was usable, looked at pixel by pixel."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import pytest
from hand_built import ABORTED, ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED, UNSOUND
from hostile import hostile
from msgspec.structs import replace
from scored_run import scored_run

from chaosrun.reports import story
from chaosrun.reports._base import ScoredRun

Image = pytest.importorskip("PIL.Image", reason="Pillow is not here (the extra png)")
GREEN, RED, AMBER = (46, 168, 107), (229, 72, 77), (226, 163, 54)


@pytest.fixture
def run(tmp_path: Path) -> ScoredRun:
    return scored_run(tmp_path)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def ribbon_colours(image: Image.Image) -> list[tuple[int, ...]]:
    middle = (story._TOP + story._BOTTOM) // 2
    return [image.getpixel((x, middle)) for x in range(story._LEFT, story._RIGHT)]


def test_it_has_the_size_that_chats_show(run: ScoredRun) -> None:
    data = story.render(run)["story.png"]
    assert opened(data).size == (1200, 630)
    assert len(data) < 200_000


@pytest.mark.parametrize(("result", "colour"), [(PASSED, GREEN), (FAILED, RED), (INCONCLUSIVE, AMBER), (DIRTY, AMBER)])
def test_the_edge_has_the_colour_of_the_verdict(run: ScoredRun, result: object, colour: tuple[int, ...]) -> None:
    assert opened(story.draw(result, run.picture)).getpixel((5, 300)) == colour  # type: ignore[arg-type]


def test_the_ribbon_is_green_before_the_fault_red_in_it_and_green_again(run: ScoredRun) -> None:
    colours = ribbon_colours(opened(story.render(run)["story.png"]))
    assert {GREEN, RED} & set(colours) == {GREEN, RED}
    first_red = colours.index(RED)
    assert GREEN in colours[:first_red]
    assert GREEN in colours[first_red:]


def test_a_dip_of_an_instant_is_a_column_of_its_own(run: ScoredRun) -> None:
    (group,) = run.picture.groups
    ribbon = replace(
        group.ribbon,
        t=[0.0, 100.0, 100.001], planned=[10, 10, 10], usable=[10, 0, 10], degraded=[0, 0, 0], down=[0, 10, 0],
        usable_max=[10, 0, 10],
    )  # fmt: skip
    picture = replace(run.picture, end=600.0, marks=[], groups=[replace(group, ribbon=ribbon)])
    assert ribbon_colours(opened(story.draw(PASSED, picture))).count(RED) >= 1


def test_a_run_in_which_nobody_was_to_be_up_is_drawn_without_a_ribbon(run: ScoredRun) -> None:
    empty = opened(story.draw(INCONCLUSIVE, replace(run.picture, groups=[])))
    assert set(ribbon_colours(empty)) == {(27, 36, 48)}


@pytest.mark.parametrize("result", [ABORTED, ABSORBED, NEVER_RECOVERED, UNSOUND, hostile(), hostile("字" * 999)])
def test_whatever_the_result_says_there_is_a_picture(run: ScoredRun, result: object) -> None:
    assert opened(story.draw(result, run.picture)).size == story.SIZE  # type: ignore[arg-type]


def test_the_figures_are_those_of_the_result() -> None:
    assert [figure.value for figure in story.figures(FAILED)] == ["12.4 s", "300", "53"]
    assert story.figures(NEVER_RECOVERED)[0].value == "> 60 s"
    assert story.figures(NEVER_RECOVERED)[1].more == "112 never came back"
    assert story.figures(ABSORBED)[0].value == "no impact"
    twice = replace(FAILED.recovery, episodes=[FAILED.recovery.episodes[0]] * 2)
    assert story.figures(replace(FAILED, recovery=twice))[0].label == "time to recover, worst of 2"
    assert story.figures(INCONCLUSIVE)[0].label == "most clients served at a time"


def test_without_pillow_there_is_none_and_nothing_breaks(run: ScoredRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "find_spec", lambda name: None)
    assert story.render(run) == {}


def test_what_it_is_made_of_does_not_need_pillow_to_be_imported() -> None:
    source = Path(sys.modules[story.__name__].__file__ or "").read_text()
    assert not [line for line in source.splitlines() if line.startswith(("import PIL", "from PIL"))]


def test_the_same_run_gives_the_same_bytes(run: ScoredRun) -> None:
    assert story.render(run) == story.render(run)
