"""Pushed messages that are dropped, sent twice, out of order and replayed: every class and every set of numbers.

Each client has a channel of its own and a fate of its own, drawn from the seed, over a break, the tail and a reset of
the numbering. Where nothing tells of the reset, every number may be one from below, and none may be too high.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from measured import Measured, Setup, measure_all, noop, pause
from oracle_row import Reading, Size, exact
from truth_pushes import Key, Pushed, pushed
from truth_script import Act, Feed, Outage, Renumber, Script, Spoil

from chaosrun.scoring.pushes import AccountScore, PushScore

sys.path.insert(0, str(Path(__file__).parents[1] / "scoring"))
from push_bruteforce import Brute

NAME = "drop, duplicate, reorder, replay; break, tail, reset of the numbering"
ACCEPTS = "every class and every set of numbers exact"
FAST = False

SETS = ("owed", "lost_connected", "missed_disconnected", "tail", "in_flight_at_end")
COUNTS = ("duplicates", "reordered", "unexpected")
FATES = ((0.2, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.3), (0.05, 0.05, 0.1), (0.5, 0.3, 0.3), (0.0, 0.0, 0.0))
"""Shares that are dropped, sent twice, held back until the next has gone; of clients 0, 1, ... in turn."""

BREAK = (Outage(how="close", code=1012, lasts=0.4),)
CUT = (Outage(how="fin", lasts=0.4, doors="reset", clients=tuple(range(0, 100, 2))),)
KINDS: tuple[tuple[Feed, dict[str, tuple[Act, ...]]], ...] = (
    (Feed(), {"break": BREAK}),
    (Feed(replay=True), {"break": CUT}),
    (Feed(head=False), {"break": CUT}),
    (Feed(replay=True), {"break": (*BREAK, Renumber(at=0.2, lasts=0))}),
    (Feed(), {"break": CUT, "reset": (Renumber(lasts=0),)}),
    (Feed(head=False, replay=True), {"break": BREAK, "again": CUT}),
    (Feed(epoch=False), {"break": CUT}),
    (Feed(epoch=False), {"break": (*BREAK, Renumber(at=0.2, lasts=0))}),
    (Feed(epoch=False, head=False), {"break": (*BREAK, Renumber(at=0.2, lasts=0))}),
    (Feed(epoch=False), {"break": CUT, "reset": (Renumber(lasts=0),)}),
)
SMALL = (3, 8)
"""Of the kinds: with replays and an epoch that is told, and with nothing that tells."""


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    """Ten runs of 100 clients, each with its own; or two of 20."""
    kinds, clients = (range(len(KINDS)), 100) if size == "full" else (SMALL, 20)
    plans = [_plan(kind, clients, len(KINDS) * seed + kind) for kind in kinds]
    return measure_all(plans, readings, scratch, at_once=2)


def _plan(kind: int, clients: int, seed: int) -> tuple[Setup, Script]:
    feed, sections = KINDS[kind]
    channels = tuple(f"c{number}" for number in range(clients))
    fates = tuple(
        Spoil(drop=drop, duplicate=twice, reorder=late, clients=tuple(range(place, clients, len(FATES))))
        for place, (drop, twice, late) in enumerate(FATES)
    )
    tail = (Spoil(drop=1.0, clients=tuple(range(0, clients, 5))),)
    method: list[dict[str, Any]] = [step for name in sections for step in (noop(name), pause(1.5))]
    setup = Setup(
        clients=clients,
        group={"channels": {"list": list(channels), "per_client": 1}, "latency_limit": "1s"},
        method=[*method, noop("tail")],
        recovery={"window": "1s", "stable_for": "1s", "tolerate": {"pushes": "100%"}},
        timing={"warmup": "500ms", "baseline": "2s", "recovery_timeout": "3s", "after": "2s", "verify": "500ms"},
    )
    return setup, Script(
        sections={"always": fates, **sections, "tail": tail}, feed=feed, channels=channels, seed=seed, entries=300_000
    )


def readings(run: Measured) -> Iterator[Reading]:
    score = run.evidence.groups[0].pushes
    assert score is not None
    truth = pushed(run)
    feed = run.script.feed
    assert feed is not None
    second = Brute(truth.history)
    note = str(run.folder)
    yield exact("equations that do not hold", int(not score.ledger.balanced), 0, note=note)
    yield exact("records lost", run.history.lost_records, 0, note=note)
    if feed.epoch:
        yield exact("numberings", sorted(map(_key, score.accounts)), sorted(second.result), note=note)
        for each in score.accounts:
            yield from _of_account(each, _key(each), second, truth, f"{note} {_key(each)}", heads=feed.head)
        yield from _of_run(run, score, second, note)
    else:
        for client in range(run.history.plan.groups[0].clients):
            yield from _of_nameless(client, score, second, truth, f"{note} client {client}", heads=feed.head)


def _key(each: AccountScore) -> Key:
    return each.client, each.channel, each.epoch or ""


def _of_account(
    each: AccountScore, key: Key, second: Brute, truth: Pushed, note: str, *, heads: bool
) -> Iterator[Reading]:
    """One client's copies of one numbering, set by set; `key` is what the numbering is called in truth."""
    sets = second.result.get(key)
    if sets is None:
        return  # the numberings are wrong; that has been said
    copies, account = each.copies, each.account
    clouded = {name for name, _ in copies.clouded}
    for name in SETS:
        got, want = set(getattr(copies, name).numbers()), getattr(sets, name)
        yield exact(name, sorted(got ^ want), [], note=note)
    yield exact("received", sorted(set((copies.live | copies.replayed).numbers()) ^ sets.got), [], note=note)
    if heads:
        yield exact("replayed", sorted(set(copies.replayed.numbers()) ^ sets.replayed), [], note=note)
    for name in COUNTS:
        yield exact(name, getattr(account, name), getattr(sets, name), note=note)
    missing = set((copies.lost | copies.in_flight_at_end).numbers())
    came, really = truth.received[key], truth.published[key[1:]] - truth.received[key]
    yield exact("missing that was not", sorted(missing - really), [], note=note)
    between = {number for number in really if min(sets.owed, default=0) <= number < max(came, default=0)}
    yield exact("not missing that was", sorted(between - missing), [], flagged=bool(clouded), note=note)


def _of_run(run: Measured, score: PushScore, second: Brute, note: str) -> Iterator[Reading]:
    """The numbers of result.json are the sums of the sets."""
    push = run.result.messages.push
    assert push is not None
    for name in SETS:
        total = sum(len(getattr(sets, name)) for sets in second.result.values())
        yield exact(f"result: {name}", getattr(push, name) or 0, total, note=note)
    for name in COUNTS:
        total = sum(getattr(sets, name) for sets in second.result.values())
        yield exact(f"result: {name}", getattr(push, name), total, note=note)
    losing = {
        key[0] for key, sets in second.result.items() if sets.lost_connected | sets.missed_disconnected | sets.tail
    }
    yield exact("result: clients_with_loss", push.clients_with_loss, len(losing), note=note)


def _of_nameless(
    client: int, score: PushScore, second: Brute, truth: Pushed, note: str, *, heads: bool
) -> Iterator[Reading]:
    """Without epochs: exact where the numbering went on; where it began anew, said to be unknown, and none too many."""
    accounts = [each for each in score.accounts if each.client == client]
    keys = sorted((key for key in second.result if key[0] == client), key=lambda key: int(key[2]))
    if len(truth.epochs(client)) == 1:
        yield exact("accounts", len(accounts), 1, note=note)
        yield from _of_account(accounts[0], keys[0], second, truth, note, heads=heads)
        return
    (lane,) = {id(each.account.lane): each.account.lane for each in accounts}.values()
    yield exact(
        "a reset that nothing told of, and nobody called unaccountable", lane.unaccountable > 0, True, note=note
    )
    lost = sum(len(each.copies.lost) for each in accounts)
    really = sum(len(truth.published[channel, epoch] - truth.received[_, channel, epoch]) for _, channel, epoch in keys)
    yield exact("a reset: losses above the truth", max(0, lost - really), 0, note=note)
