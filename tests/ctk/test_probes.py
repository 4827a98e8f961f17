"""What the probes tell of a run that was scored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chaoslib.exceptions import ActivityFailed
from ran import result as ran

from chaosrun.ctk import control, probes
from chaosrun.ctk._load import STAGE
from chaosrun.scoring.result import Criterion, Messages, Push, Requests, Result


class Scored:
    """Differs from a real load in that its run is over, with a result that nobody measured."""

    begun = is_over = True
    goes_on = False
    folder = None

    def __init__(self, result: Result) -> None:
        self._result = result
        self.exit_code = result.exit_code

    def result(self) -> Result:
        return self._result

    def stop(self) -> None: ...


@pytest.fixture(autouse=True)
def stage() -> Iterator[None]:
    yield
    STAGE.load = None


def scored(result: Result) -> None:
    STAGE.load = Scored(result)  # type: ignore[assignment]


KEPT = Criterion(name="bad", metric="bad", window="baseline", outcome=True)
BROKEN = Criterion(name="bad", metric="bad", window="verify", outcome=False)
UNKNOWN = Criterion(name="usable", metric="usable", window="verify", outcome=None, why="no evidence")


def test_what_was_measured_is_told() -> None:
    push = Push(lost_connected=4)
    scored(ran("failed", 2.5, messages=Messages(requests=Requests(lost_connected=3), push=push)))
    assert (probes.verdict(), probes.ttr(), probes.lost_connected()) == ("failed", 2.5, 7)


def test_what_is_not_known_is_no_number() -> None:
    scored(ran("failed", None, 15.0, messages=Messages(push=Push(accountable=False, why="no numbers"))))
    with pytest.raises(ActivityFailed, match="was not seen to recover: it is above 15 s"):
        probes.ttr()
    with pytest.raises(ActivityFailed, match="lost pushes cannot be told: no numbers"):
        probes.lost_connected()


def test_a_criterion_holds_where_it_holds_in_all_its_windows() -> None:
    scored(ran("failed", criteria=[KEPT, BROKEN, UNKNOWN]))
    assert probes.criterion("bad", "baseline") is True
    assert probes.criterion("bad") is False
    with pytest.raises(ActivityFailed, match="usable in verify is unknown: no evidence"):
        probes.criterion("usable")
    with pytest.raises(ActivityFailed, match="no criterion 'ttl'; known: bad, usable"):
        probes.criterion("ttl")


@pytest.mark.parametrize(
    ("verdict", "status", "deviated"),
    [("passed", "completed", False), ("failed", "completed", True), ("inconclusive", "failed", False),
     ("dirty", "failed", False)],
)  # fmt: skip
def test_the_verdict_becomes_the_experiments_own(verdict: str, status: str, deviated: bool) -> None:
    scored(ran(verdict))
    journal = {"status": "completed", "deviated": False}
    control.after_experiment_control({}, state=journal)
    assert (journal["status"], journal["deviated"]) == (status, deviated)
    assert journal["chaosrun"]["verdict"] == verdict  # type: ignore[index]


def test_an_experiment_that_was_interrupted_stays_so() -> None:
    scored(ran("aborted"))
    journal = {"status": "interrupted", "deviated": False}
    control.after_experiment_control({}, state=journal)
    assert journal["status"] == "interrupted"
