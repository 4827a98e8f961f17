"""What a run says, beside what was true: each number with how far it is off, and by how much it may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator import World
from simulator_truth import GroupTruth, Trouble, Truth

from chaosrun.scoring.pacing import blind, resolution
from chaosrun.scoring.ratio import rank
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.requests import RequestLedger

RANKS = {"first": None, "p50": 0.5, "p90": 0.9, "p99": 0.99, "all": 1.0}


class Compared(NamedTuple):
    """`off` and `bound` in ns; of what is exact, in how many are wrong, and 0."""

    what: str
    off: int
    bound: int
    note: str = ""

    @property
    def is_true(self) -> bool:
        return self.off <= self.bound


def compared(truth: Truth, episode: Episode) -> Iterator[Compared]:
    """Every claim that an episode makes and the world can check."""
    troubles = truth.troubles(episode.fault_start, episode.end)
    if episode.impact is None:
        yield from _hidden(truth, troubles)
        return
    yield from _impact(truth, troubles, episode)
    if episode.recovered is not None:
        yield from _recovered(troubles, episode)
    else:
        yield from _unrecovered(truth.world, troubles, episode)
    if episode.server_ready is not None and episode.server_ready_error is not None:
        yield from _ready(truth, episode.impact, episode.server_ready, episode.server_ready_error)


def _hidden(truth: Truth, troubles: Sequence[Trouble]) -> Iterator[Compared]:
    """No impact: nothing lasted that must have shown, and when nobody was served, that was for no longer than blind."""
    yield Compared("missed outages", sum(trouble.shows_after(0) for trouble in troubles), 0)
    for trouble in troubles:
        longest = blind(trouble.group.plan)
        if trouble.by == "requests" and longest is not None and trouble.group.nobody_served(trouble.a, trouble.b):
            # Due times are whole ns, and what is due just before an outage may be sent late and meet it.
            yield Compared("longest hidden outage", max(0, trouble.b - trouble.a - longest), truth.world.lag + 2)


def grain(group: GroupTruth) -> int:
    """What a due time can tell: the distance of two slots, or with sentinels of two slots and two sentinels."""
    plan = group.plan
    slots = plan.period_ns // plan.clients if plan.period_ns else 0
    return max(slots + 1, plan.sentinel_period_ns or 0)


def _impact(truth: Truth, troubles: Sequence[Trouble], episode: Episode) -> Iterator[Compared]:
    assert episode.impact is not None
    yield Compared("impacts of nothing", int(not troubles), 0)
    # It is the earliest of all indicators, and no earlier than anything that went wrong.
    world, start, end = truth.world, episode.fault_start, episode.end
    lasting = [trouble.a for trouble in troubles if trouble.by != "strays"]
    earliest = min(lasting + [group.first_missed(start, end) for group in truth.groups])
    slack = max(grain(group) for group in truth.groups) + world.trip // 2 + world.lag
    yield Compared("impact too early", max(0, earliest - episode.impact), slack)
    # An outage of all clients that is long enough to use up the tolerance alone is an unbroken run of bad slots. The
    # tolerance runs out in it at the latest, and the impact is where that run begins; of some clients it is broken.
    for first in troubles:
        uses_up = blind(first.group.plan) or 0
        if first.by == "requests" and first.shows_after(0) and first.group.nobody_served(first.a, first.a + uses_up):
            yield Compared("impact too late", max(0, episode.impact - first.a), slack)
    if episode.impact_error is None:
        return
    # Where less uses up the tolerance only together, the first of it is within the error: the first slot lost in the
    # first window with too many, and each outage of all clients that took slots of this window before the impact. One
    # that took none yet has hit nobody: the impact on sessions is when clients see their connections end.
    for group in truth.groups:
        excess = group.first_excess(start, end)
        if excess is not None:
            x, first_lost = excess
            begins = [first_lost]
            for each in troubles:
                inside = max(each.a, x), min(each.b, x + group.plan.window_ns, episode.impact + 1)
                whole = each.group is group and each.by == "requests" and group.nobody_served(each.a, each.b)
                if whole and inside[0] < inside[1] and group.first_missed(*inside) < inside[1]:
                    begins.append(each.a)
            yield Compared("impact named late", max(0, episode.impact - min(begins)), episode.impact_error)


def _recovered(troubles: Sequence[Trouble], episode: Episode) -> Iterator[Compared]:
    """R lies within its error of an instant after which nothing was wrong that must have shown."""
    assert episode.recovered is not None
    if not troubles or episode.error is None:
        return
    recovered = episode.recovered

    def is_last(t: int) -> bool:
        return not any(trouble.shows_after(t) for trouble in troubles)

    over = [ends(each) for each in troubles if is_last(each.b)]
    # Tolerance is of requests: an outage of some clients is over by definition where no request meets the rest of it.
    # Nobody asked then, so that there is no more to tell; of one that met it, all of the rest must be in the error.
    for each in troubles:
        rest = recovered, each.b
        unmet = each.by == "requests" and each.a <= recovered < each.b and each.group.first_missed(*rest) == each.b
        if unmet and not each.group.nobody_served(*rest) and is_last(recovered):
            over.append((recovered, recovered))
    off = min((max(0, a - recovered, recovered - b) for a, b in over), default=1 << 62)
    by = (episode.recovered_by or "").partition(".")[2]
    yield Compared(f"R, by {by}", off, episode.error)


def ends(trouble: Trouble) -> tuple[int, int]:
    """When a trouble was over at the earliest and at the latest: what was lost right behind it prolongs it."""
    return trouble.b, trouble.b if trouble.by == "sessions" else trouble.group.prolonged(trouble.b)


def _unrecovered(world: World, troubles: Sequence[Trouble], episode: Episode) -> Iterator[Compared]:
    """What was observed after the last trouble was too short for the hold."""
    last = max((trouble.b for trouble in troubles), default=episode.end)
    room = (
        episode.end
        - last
        - world.stable_for
        - world.trip
        - world.lag
        - max(resolution(plan) or 0 for plan in world.groups)
    )
    yield Compared("recoveries not seen", int(room > 0), 0, f"{episode.pending}")


def _ready(truth: Truth, impact: int, at: int, error: int) -> Iterator[Compared]:
    """With a server that was up only too shortly for a handshake in between, it is a later time that counts."""
    first = truth.ready(impact)
    if first < at - error:
        first = truth.ready(at - error)
    yield Compared("server ready", max(at - first, first - at - error), error)


def returns(truth: Truth, episode: Episode, affected: Sequence[tuple[int, int, int]]) -> Iterator[Compared]:
    """back(q), for a world without loss by chance: of the affected (group, client, return) each true return."""
    since = episode.fault_start if episode.reference is None else episode.reference
    true = sorted(truth.groups[g].served_since(c, t) for g, c, t in affected)
    for name, q in RANKS.items():
        printed = getattr(episode.back, name)
        if printed:  # a return before the reference is printed as 0
            k = 1 if q is None else rank(q, episode.back.affected)
            yield Compared("back", abs(since + printed - true[k - 1]), episode.back.errors[name], name)


def counts(truth: GroupTruth, ledger: RequestLedger) -> Iterator[Compared]:
    """Slots that were not served, and replies that never came; exact where the load is never late."""
    world = truth.world
    if world.lag == 0 and truth.plan.sentinel_period_ns is None:
        unlucky = sum(life.unlucky for life in truth.lives)
        yield Compared("bad slots", abs(ledger.bad - truth.met - unlucky), 0, f"{ledger.bad}, {truth.met}, {unlucky}")
    lost = ledger.lost_connected + ledger.lost_at_break + ledger.in_flight_at_end
    yield Compared("replies lost", abs(lost - sum(life.dropped for life in truth.lives)), 0)


def negative(episode: Episode) -> list[str]:
    """Names of durations below zero, and of instants out of order."""
    names = ["ttr", "outage", "detection", "ttr_censored_above", "error", "server_ready_after", "server_ready_error"]
    names += ["impact_late", "impact_error", "lost_client_ns", "relapses"]
    values = {name: getattr(episode, name) for name in names}
    values |= {f"back {name}": getattr(episode.back, name) for name in RANKS}
    values |= {f"error of back {name}": error for name, error in episode.back.errors.items()}
    found = [name for name, value in values.items() if value is not None and value < 0]
    instants = (episode.fault_start, episode.impact, episode.first_recovered, episode.recovered, episode.end)
    known = [t for t in instants if t is not None]
    return found + (["order"] if known != sorted(known) else [])
