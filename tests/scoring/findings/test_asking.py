from __future__ import annotations

from dataclasses import replace

from findings_of import of
from storybook import Story, group, s, strike

from chaosrun.records import Exchanges, History


def polled(*exchanges: Exchanges) -> History:
    pollers = group(name="pollers", kind="http", requests=("GET /a", "GET /b"))
    story = Story(pollers, faults=[strike(s(13))]).crash(s(13), s(15))
    return replace(story.history(), exchanges=exchanges)


def line(t: int, how: str, count: int, status: int | None = None, detail: str = "", request: int = 0) -> Exchanges:
    return Exchanges(t=t, g=0, request=request, how=how, status=status, count=count, detail=detail)


def test_how_exchanges_failed_is_told_by_request_and_cause_the_most_first() -> None:
    told = of(
        polled(
            line(s(14), "refused", 20, detail="nobody"),
            line(s(15), "refused", 30),
            line(s(14), "rst", 4, request=1),
            line(s(14), "asked again", 2),
        ),
        "exchanges-failed",
    )
    assert told is not None
    assert (told.severity, told.title) == ("info", "54 exchanges of pollers failed, most by refused")
    assert told.evidence == (
        "GET /a: refused, 50 times (nobody); GET /b: rst, 4 times; 2 requests asked again on a new connection"
    )


def test_a_failure_that_no_outage_explains_is_a_warning() -> None:
    told = of(polled(line(s(14), "refused", 20), line(s(8), "status", 1, 503, "busy")), "exchanges-failed")
    assert told is not None
    assert told.severity == "warning"
    assert "GET /a: status 503, 1 time (busy)" in told.evidence


def test_to_ask_again_is_no_failure() -> None:
    assert of(polled(line(s(14), "asked again", 2)), "exchanges-failed") is None
