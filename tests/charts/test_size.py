"""However long a run is and however many clients it has, its picture stays small enough for a page."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import msgspec
import pytest
from drawing import assessed
from msgspec import structs
from storybook import MS, S, Story, group, strike

from chaosrun.charts.draw import draw
from chaosrun.judge import Assessed
from chaosrun.plan import GroupPlan
from chaosrun.records import Attempt, Closed, Kind, Lag, Opened, Refused, Resource
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.outcomes import Fate, Outcome
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.sessions import ClientTimeline
from chaosrun.scoring.steps import Steps
from chaosrun.scoring.timeline import GroupTimeline

KB = 1000
MINUTE = 60 * S


@cache
def crash() -> Assessed:
    return assessed(Story(group(clients=1), faults=[strike(13 * S)]).crash(13 * S, 15 * S).history())


class World:
    """A run of any length with an outage in the middle of it, its outcomes drawn from a seed without a service.

    Unlike those of a real run, its requests know nothing of its connections.
    """

    def __init__(self, end: int, clients: int, *, groups: int = 1, requests: int, roles: int = 3, wild: bool) -> None:
        self.dice = random.Random(end + clients)
        self.end = end
        self.clients = clients
        self.requests = requests
        self.wild = wild
        """Waits of all lengths at all times, every class of loss, and clients that flap."""
        self.down = (end // 2, end // 2 + 2 * S)
        self.lives = [self._life(c) for c in range(clients)]
        plans = tuple(GroupPlan(name=f"group {g}", clients=clients, period_ns=S) for g in range(groups))
        run = crash().evidence.history
        attempts, backs = self._comings(groups)
        self.history = replace(
            run,
            plan=structs.replace(run.plan, groups=plans),
            end=end,
            load_stopped=end,
            attempts=attempts,
            refused=[Refused(t=line.t, g=line.g, c=line.c, why="refused") for line in attempts],
            opened=[Opened(t=back, g=g, c=c, conn=1, began=back, shaken=back) for g, c, back in backs],
            closed=[Closed(t=self.down[0], g=g, c=c, conn=0, cause="close", code=1012) for g, c, _ in backs],
            lags=[self._lag(t, f"load-{w}") for t in range(S, end, S) for w in range(2)],
            resources=[self._sample(t, f"role {r}") for t in range(S, end, S) for r in range(roles)],
        )

    def _comings(self, groups: int) -> tuple[list[Attempt], list[tuple[int, int, int]]]:
        """Attempts until each is back, and when (group, client, instant) that is."""
        backs = [(g, c, self.down[1] + self.dice.randrange(3 * S)) for g in range(groups) for c in range(self.clients)]
        return [Attempt(t=t, g=g, c=c) for g, c, back in backs for t in range(self.down[0] + MS, back, S // 2)], backs

    def _lag(self, t: int, writer: str) -> Lag:
        return Lag(
            t=t, span_ns=S, w=writer, buckets={self.dice.randrange(2000): 100}, max_ns=self.dice.randrange(9 * MS)
        )

    def _sample(self, t: int, role: str) -> Resource:
        return Resource(t=t, role=role, cpu=self.dice.random(), memory=self.dice.randrange(10**9))

    def _life(self, c: int) -> ClientTimeline:
        away = {self.down[0] + self.dice.randrange(MS), self.down[1] + self.dice.randrange(3 * S)}
        if self.wild:
            away |= {self.dice.randrange(self.end) for _ in range(20)}
        edges = sorted({0, *away, self.end})
        usable = tuple(zip(edges[::2], edges[1::2], strict=True))
        return ClientTimeline(index=c, planned=((0, self.end),), sessions=usable, usable=usable)

    def _outcome(self, due: int) -> Outcome:
        hit = self.down[0] <= due < self.down[1]
        wait = int(10 ** self.dice.uniform(4.5, 11.5)) if self.wild else int(self.dice.lognormvariate(14, 0.5))
        fate = self.dice.choice(list(Fate)) if self.wild else Fate.SKIPPED_DISCONNECTED if hit else Fate.REPLIED_IN_TIME
        good = fate is Fate.REPLIED_IN_TIME
        return Outcome(
            due=due,
            client=0,
            kind=Kind.SLOT,
            conn=0,
            request=0,
            sent=due,
            got=due + wait,
            fate=fate,
            good=good,
            late_observer=False,
            counts_at=due,
            wait=self.down[1] - due if hit else wait,
        )

    def timeline(self, g: int) -> GroupTimeline:
        dues = sorted(self.dice.randrange(self.end) for _ in range(self.requests))
        return GroupTimeline(
            g=g,
            group=self.history.plan.groups[g],
            requests=Requests(tuple(self._outcome(due) for due in dues)),
            clients=tuple(self.lives),
            sessions=Steps.counting(span for life in self.lives for span in life.sessions),
            usable=Steps.counting(span for life in self.lives for span in life.usable),
            planned=Steps.counting(span for life in self.lives for span in life.planned),
            unusable=Steps.counting(span for life in self.lives for span in life.unusable(0, self.end)),
        )

    def size(self) -> int:
        run = crash()
        assert run.evidence.recovery is not None
        worst = run.evidence.recovery.worst
        assert worst is not None
        back = self.down[1] + 3 * S
        episode = replace(worst, fault_start=self.down[0], impact=self.down[0], recovered=back, end=self.end)
        evidence = Evidence(
            self.history,
            tuple(GroupEvidence(self.history, g, None, self.timeline(g)) for g in range(len(self.history.plan.groups))),
            replace(run.evidence.recovery, episodes=(episode,), worst=episode),
        )
        picture = draw(evidence, run.result)
        assert all(own.waterfalls[0].affected == self.clients for own in picture.groups)
        return len(msgspec.json.encode(picture))


@pytest.mark.slow
def test_five_minutes_of_300_clients_leave_room_in_a_page_of_500_kb() -> None:
    assert World(5 * MINUTE, 300, requests=90_000, wild=False).size() <= 200 * KB


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 10])
def test_the_wildest_hour_is_bounded(groups: int) -> None:
    """Ten roles, waits from 30 us to 5 minutes at all times, every class of loss, clients that flap all the time."""
    world = World(60 * MINUTE, 300, groups=groups, requests=60_000 // groups, roles=10, wild=True)
    assert world.size() <= 350 * KB


@pytest.mark.slow
def test_ten_thousand_clients_are_bounded() -> None:
    assert World(2 * MINUTE, 10_000, requests=100_000, wild=False).size() <= 350 * KB
