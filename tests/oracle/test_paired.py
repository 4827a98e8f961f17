"""Requests and the server's notes of them that do not belong together are told from a server that noted late."""

from __future__ import annotations

from paired import Pair, strangers
from truth import Ask

from chaosrun.records import Kind
from chaosrun.scoring.outcomes import Fate, Outcome

MS = 1_000_000
PERIOD = 250 * MS


def pair(number: int, *, noted: int | None) -> Pair:
    """The request of a client that was sent at its time, and answered 1 ms later; the server says, at `noted`."""
    due = number * PERIOD
    said = Outcome(
        due=due,
        client=0,
        kind=Kind.SLOT,
        conn=0,
        request=0,
        sent=due,
        got=due + MS,
        fate=Fate.REPLIED_IN_TIME,
        good=True,
        late_observer=False,
        counts_at=due,
        wait=MS,
    )
    return Pair(said, Ask(id=number, at=due, read=due, answered=noted, ok=noted is not None))


def noted(*late: int | None) -> list[Pair]:
    return [
        pair(number, noted=None if by is None else number * PERIOD + by * MS) for number, by in enumerate(late, start=1)
    ]


def test_what_was_noted_in_time_belongs_together() -> None:
    assert strangers(noted(0, 90, 0, 90)) == 0


def test_a_server_that_noted_late_once_is_no_stranger() -> None:
    assert strangers(noted(0, 400, 0, 0, 400, 0)) == 0


def test_a_number_too_many_makes_every_later_pair_a_stranger() -> None:
    assert strangers(noted(0, 0, 250, 250, 250)) == 3


def test_a_reply_that_the_server_never_wrote_is_a_stranger_alone() -> None:
    assert strangers(noted(0, None, 0)) == 1
