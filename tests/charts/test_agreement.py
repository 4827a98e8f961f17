"""Whatever happens in a run, its picture and its score tell the same."""

from dataclasses import replace

import pytest
from drawing import assessed, disagreements
from msgspec import structs
from push_stories import tell
from storybook import S, Story, group, random_story, strike

from chaosrun.charts.draw import draw
from chaosrun.plan import FaultPlan
from chaosrun.records import Called, Confirmed, Phase


@pytest.mark.parametrize("seed", range(40))
def test_a_story_of_requests_is_drawn_as_it_is_scored(seed: int) -> None:
    story, _ = random_story(seed)
    run = assessed(story.history())
    assert disagreements(run, draw(run.evidence, run.result)) == []


@pytest.mark.parametrize("seed", range(40))
def test_a_story_of_pushes_is_drawn_as_it_is_scored(seed: int) -> None:
    run = assessed(tell(seed).history)
    assert disagreements(run, draw(run.evidence, run.result)) == []


@pytest.mark.parametrize("seed", range(20))
def test_clients_that_only_listen_have_a_waterfall_too(seed: int) -> None:
    history = tell(seed).history
    marks = [("ramp", 0), ("baseline", S // 2), ("fault", S), ("recovery", S)]
    run = assessed(
        replace(
            history,
            plan=structs.replace(history.plan, faults=(FaultPlan(id="fault", name="fault", kind="noop"),)),
            phases=[Phase(t=t, name=name) for name, t in marks],
            called=[Called(t=S, id="fault")],
            confirmed=[Confirmed(t=S, id="fault", verified=True)],
        )
    )
    assert disagreements(run, draw(run.evidence, run.result)) == []


def test_drawing_twice_gives_the_same() -> None:
    story = Story(group(clients=8), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    first, second = assessed(story.history()), assessed(story.history())
    assert draw(first.evidence, first.result) == draw(second.evidence, second.result)
