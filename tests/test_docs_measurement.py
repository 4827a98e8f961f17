"""The pages on measurement, metrics and protocols say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation
from chaosrun.protocols.yaml import YamlProtocol
from chaosrun.records import NONE, Closed, Head, History, Kind, Opened, Phase, Push, Slot, Status, Stream, Subscribed
from chaosrun.registry import kinds, load
from chaosrun.scoring.outcomes import Outcome, judge
from chaosrun.scoring.pacing import auto_tolerance, blind, resolution
from chaosrun.scoring.pushes import count_pushes
from chaosrun.scoring.requests import Requests
from chaosrun.spec.loader import load_experiment
from chaosrun.spec.plan import make_plan
from chaosrun.spec.protocol import Protocol

ROOT = Path(__file__).parents[1]
MEASUREMENT = (ROOT / "docs" / "measurement.md").read_text()
PROSE = " ".join(MEASUREMENT.split())
METRICS = (ROOT / "docs" / "metrics.md").read_text()
PROTOCOLS = (ROOT / "docs" / "protocols.md").read_text()
MS = 1_000_000
S = 1_000_000_000


def rows(page: str, header: str) -> Iterator[list[str]]:
    """The cells of every row of the tables whose header line begins with `header`."""
    inside = False
    for line in page.splitlines():
        if line.startswith(header):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def ns(cell: str) -> int | None:
    """`12.4 s` or `2 ms` as nanoseconds; None for words."""
    found = re.fullmatch(r"([\d.]+) (ms|s)", cell)
    return round(float(found[1]) * {"ms": MS, "s": S}[found[2]]) if found else None


# ---- measurement.md -------------------------------------------------------------------------------------------------


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", MEASUREMENT))
    assert len(named) > 100
    missing = [f"{path}::{test}" for path, test in sorted(named) if not _has_test(path, test)]
    assert missing == []


def _has_test(path: str, test: str) -> bool:
    return (ROOT / path).exists() and re.search(
        rf"^def {re.escape(test)}\(", (ROOT / path).read_text(), re.M
    ) is not None


def test_the_worked_example_is_what_the_scorer_says() -> None:
    table = list(rows(MEASUREMENT, "| due | sent | reply |"))
    group = GroupPlan(name="one", clients=1, period_ns=S, latency_limit_ns=500 * MS)
    slots = [_slot(*map(ns, row[:3])) for row in table]
    canary = Slot(0, 0, round(12.4 * S), round(12.4 * S), round(12.402 * S), kind=Kind.CANARY, conn=1)
    history = History(
        plan=Plan(groups=(group,)),
        phases=[Phase(t=0, name="ramp")],
        end=20 * S,
        load_stopped=15 * S,
        slots=[*slots, canary],
        closed=[Closed(t=round(10.5 * S), g=0, c=0, conn=0, cause="rst")],
    )
    judged = [outcome for outcome in judge(history, 0) if outcome.kind is Kind.SLOT]
    assert [_told(outcome) for outcome in judged] == [tuple(row[3:]) for row in table]
    (window,) = Requests.of(history, 0).measure([(0, 15 * S)])
    assert window.response.mean is not None
    corrected = f"the mean is {window.response.mean / MS:.1f} ms and the maximum {(window.response.max or 0) // MS} ms"
    assert f"Corrected, {corrected}, of {window.response.count}." in PROSE
    uncorrected = f"the maximum is {(window.service.max or 0) // MS} ms, of {window.service.count}"
    assert f"Uncorrected, {uncorrected}:" in PROSE


def _slot(due: int | None, sent: int | None, got: int | None) -> Slot:
    assert due is not None
    if sent is None or got is None:
        return Slot(0, 0, due, NONE, NONE, Status.SKIPPED_DISCONNECTED)
    return Slot(0, 0, due, sent, got, conn=0 if due < 12 * S else 1)


def _told(outcome: Outcome) -> tuple[str, str, str]:
    """Outcome, response and service as the table has them."""
    service = f"{(outcome.got - outcome.sent) // MS} ms" if outcome.valid else "none"
    return "good" if outcome.good else "bad", f"{(outcome.wait or 0) // MS} ms", service


def test_the_table_of_tolerances_is_what_pacing_says() -> None:
    table = list(rows(MEASUREMENT, "| slots/s of the group |"))
    assert len(table) == 5
    for rate, *told in table:
        clients = int(rate)
        tolerated, window = auto_tolerance(clients, 1)
        group = GroupPlan(name="g", clients=clients, period_ns=S, tolerate_requests=tolerated, window_ns=window)
        found = [f"{tolerated:.0%}", f"{window // S} s"]
        found += [f"{(each or 0) / MS:.3g} ms" for each in (resolution(group), blind(group))]
        assert told == found


# ---- metrics.md -----------------------------------------------------------------------------------------------------


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """Unit, direction and needs of every metric that has a row."""
    found: dict[str, tuple[str, str, set[str]]] = {}
    for names, unit, better, _, relies in rows(METRICS, "| name | unit | better |"):
        for name in re.findall(r"`([^`]+)`", names):
            assert name not in found, f"{name} has two rows"
            found[name] = unit, better, set(relies.split(", "))
    return found


def test_every_metric_has_a_row_and_every_row_a_metric() -> None:
    assert sorted(documented()) == sorted(kinds("metrics"))


@pytest.mark.parametrize("name", kinds("metrics"))
def test_a_row_tells_unit_direction_and_needs_of_its_metric(name: str) -> None:
    metric = load("metrics", name)
    unit, better, relies = documented()[name]
    assert unit.split(",")[0] == metric.unit
    assert ("% of" in unit) == (metric.share_of is not None)
    assert (better, relies) == (metric.direction, metric.needs)


def test_every_need_is_explained() -> None:
    explained = {row[0] for row in rows(METRICS, "| relies on |")}
    assert explained == {need for name in kinds("metrics") for need in load("metrics", name).needs}


# ---- protocols.md ---------------------------------------------------------------------------------------------------

EXAMPLES = re.findall(
    r"^```yaml\n(.*?)^```.*?^```\n(.*?)^```", PROTOCOLS[PROTOCOLS.index("## Example") :], re.MULTILINE | re.DOTALL
)
"""Each experiment with the conversation below it."""


class Listener:
    """A sink that notes what it is told, in the words of the page."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.told: list[str] = []

    def send(self, data: bytes, binary: bool) -> bool:
        assert not binary
        self.sent.append(data)
        return True

    def opened(self) -> None:
        self.told.append("opened")

    def finished(self) -> None:
        self.told.append("finished")

    def failed(self, why: str) -> None:
        self.told.append(f"failed {why}")

    def malformed(self, why: str) -> None:
        self.told.append("malformed")

    def replied(self, token: int, ok: bool) -> None:
        self.told.append(f"replied {token} {'good' if ok else 'bad'}")

    def subscribed(self, channel: str, head: int | None, epoch: str | None, stream: str) -> None:
        self.told.append(f"subscribed {channel} {head} {epoch}")

    def pushed(self, channel: str, first: int, last: int, sent_at: int | None, epoch: str | None, stream: str) -> None:
        assert (first, stream) == (last, "stream")
        assert sent_at is not None
        self.told.append(f"pushed {channel} {first} {epoch}")

    def head(self, channel: str, seq: int, epoch: str | None, stream: str) -> None:
        self.told.append(f"head {channel} {seq} {epoch}")


@pytest.mark.parametrize("yaml, wire", EXAMPLES, ids=["requests in order", "a numbered stream"])
def test_the_examples_are_experiments_whose_clients_talk_as_shown(yaml: str, wire: str, tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text(yaml)
    loaded = load_experiment(tmp_path / "example.yaml")
    assert make_plan(loaded).criteria
    ((group, its),) = loaded.experiment.steady_state.load.items()
    assert isinstance(its.protocol, Protocol)
    protocol = YamlProtocol(its.protocol)
    sink = Listener()
    identity = ClientIdentity(f"{group}-0", 0, group, channels=("sport",) if its.channels else ())
    conversation = protocol.conversation(identity, sink, Clocks())
    asked = 0
    for way, message, remark in _lines(wire):
        if way == "->":
            asked += remark.startswith("slot")
            _speak(conversation, remark, protocol.requests, asked)
            assert json.loads(sink.sent.pop(0)) == message
        else:
            sink.told.clear()
            conversation.receive(json.dumps(message).encode(), False, 0)
            assert ", ".join(sink.told) == ("" if remark.startswith("nothing") else remark)
    assert sink.sent == []


def test_the_ledger_below_the_second_example_is_that_of_the_scorer() -> None:
    loud = StreamPlan(has_epoch=True, has_sent_at=True)
    history = History(
        plan=Plan(groups=(GroupPlan(name="readers", clients=1, streams=(loud,)),)),
        phases=[Phase(t=0, name="ramp")],
        end=100 * S,
        load_stopped=90 * S,
        opened=[Opened(t=S, g=0, c=0, conn=0, began=0, shaken=0)],
        subscribed=[Subscribed(t=S, g=0, c=0, conn=0, channel="sport", head=41, epoch="b1")],
        streams=[Stream(t=S, sid=0, g=0, c=0, conn=0, channel="sport", epoch="b1")],
        pushes=[Push(80 * S, 42, 42, 80 * S, 0), Push(81 * S, 44, 44, 81 * S, 0)],
        heads=[Head(t=91 * S, channel="sport", seq=46, epoch="b1", g=0)],
    )
    copies = count_pushes(history, 0, (0, 0)).missing(0, "sport", "b1")
    assert list(copies.owed) == [(42, 46)]
    assert list(copies.live.numbers()) == [42, 44]
    assert list(copies.lost_connected.numbers()) == [43]
    assert list(copies.tail.numbers()) == [45, 46]


def _speak(conversation: Conversation, why: str, requests: tuple[str, ...], token: int) -> None:
    """Have the client say what the page has it say; `by itself` it does so without being told."""
    word, _, request = why.partition(": ")
    match word:
        case "connected":
            conversation.start(0)
        case "slot":
            assert conversation.request(token, requests.index(request), 0)
        case "end of the load":
            assert conversation.ask_head(0)
        case "leave":
            conversation.finish(0)
        case _:
            assert why == "by itself"


def _lines(wire: str) -> Iterator[tuple[str, object, str]]:
    """Way, message and remark of each line of a conversation."""
    for line in wire.splitlines():
        way, text = line[:2], line[3:]
        message, end = json.JSONDecoder().raw_decode(text)
        yield way, message, text[end:].strip()
