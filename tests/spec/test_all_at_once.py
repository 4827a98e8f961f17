"""All mistakes of a file are told in one round, and none of them is told as two."""

from __future__ import annotations

from itertools import combinations

import pytest

from chaosrun.guards import sight
from chaosrun.spec.guarded import GUARDED

RIGHT = """\
title: t
configuration: {n: {env: N, default: 300}}
steady_state:
  load:
    users:
      protocol: mt5
      clients: 300
      requests: 1/s
      latency_limit: 500ms
      workers: 2
    own:
      clients: 2
      requests: 10/s
      channels: {list: [a, b], per_client: 2}
      protocol:
        open: [{send: {in: "{channel}"}, expect: {session: "{sid}"}}]
        request: {name: ask, send: {id: "{id}", sid: "{sid}"}, reply: {id: "{id}"}}
        streams: {ticks: {match: {type: tick}, seq: seq}}
        close: [{send: bye}]
  hypothesis:
    - {metric: usable, group: own, min: 99%}
    - {metric: response_p99, request: ask, max: 1s}
    - {metric: push.lost, stream: ticks, max: 0}
target:
  url: ws://localhost:1/
  roles:
    server: {process: {name: bridge, start: [bridge]}}
method:
  - {fault: process_kill, role: server}
  - {pause: 5s}
recovery: {within: 10s, stable_for: 5s, window: auto}
expect:
  - {metric: cpu, role: server, max: 70%}
  - {metric: usable, window: during, min: 1%}
stop_when:
  - {metric: usable, below: 5%, for: 30s}
timing: {baseline: 20s, after: 10s}
"""

MISTAKES = {
    "title": ("title: t\n", "titel: t\n"),
    "no group": ("    users:\n", "    2nd:\n"),
    "protocol": ("protocol: mt5", "protocol: mt6"),
    "protocol's key": ("protocol: mt5", "protcol: mt5"),
    "clients": ("clients: 300", "clients: many"),
    "clients' value": ("clients: 300", "clients: ${m}"),
    "requests": ("requests: 1/s", "request: 1/s"),
    "latency": ("latency_limit: 500ms", "latency_limit: 500"),
    "latency's key": ("latency_limit: 500ms", "latncy_limit: 9s"),
    "workers": ("workers: 2", "workers: 500"),
    "later": ("workers: 2", "tls: {}"),
    "channels": ("{list: [a, b], per_client: 2}", "{list: [a], per_client: 2}"),
    "channels' key": ("channels: {list", "chanels: {list"),
    "channels' list": ("{list: [a, b], per", "{list: a, per"),
    "capture": ("expect: {session", "exepct: {session"),
    "word": ('sid: "{sid}"}', 'sid: "{sod}"}'),
    "reply": ("reply: {id", "rply: {id"),
    "streams": ("streams: {", "strems: {"),
    "stream": ("seq: seq", "seq: {first: 1, lst: b}"),
    "close": ("close: [{send: bye}]", "close: [{within: 3s}]"),
    "metric": ("{metric: usable, group: own", "{metric: usabel, group: own"),
    "group": ("group: own", "group: owm"),
    "request of a criterion": ("request: ask", "request: asked"),
    "stream of a criterion": ("stream: ticks", "stream: tick"),
    "limit": ("min: 99%", "min: 99s"),
    "criterion": ("{metric: push.lost, stream: ticks, max: 0}", "push.lost"),
    "url": ("url: ws:", "url: ftp:"),
    "stranger": ("url: ws://localhost:1/", "url: ws://example.com/"),
    "roles": ("  roles:", "  rolls:"),
    "a role": ("    server:", "    servr:"),
    "a role's process": ("start: [bridge]", "strat: [bridge]"),
    "role": ("process_kill, role: server", "process_kill, role: sever"),
    "role's key": ("process_kill, role: server", "process_kill, rle: server"),
    "fault": ("fault: process_kill", "fault: proces_kill"),
    "fault's key": ("fault: process_kill", "fualt: process_kill"),
    "pause": ("pause: 5s", "pause: 5"),
    "step": ("{pause: 5s}", "pause"),
    "within": ("within: 10s", "within: 1ms"),
    "stable_for": ("stable_for: 5s", "stable_for: 1s"),
    "stable_for's key": ("stable_for: 5s", "stable_fro: 1s"),
    "window": ("window: auto", "window: soon"),
    "role of a criterion": ("{metric: cpu, role: server", "{metric: cpu, role: sever"),
    "role's key of a criterion": ("{metric: cpu, role: server", "{metric: cpu, rloe: server"),
    "window of a criterion": ("window: during", "window: durin"),
    "guard": ("{metric: usable, below", "{metric: push.lost, below"),
    "guard's sides": ("below: 5%", "below: 5%, above: 9%"),
    "guard's side": ("below: 5%", "belw: 5%"),
    "timing": ("after: 10s", "after: 1s"),
    "timing's key": ("timing: {", "timign: {"),
    "baseline": ("baseline: 20s", "baseline: 1s"),
}
INDEPENDENT = (
    *("workers", "word", "metric", "request of a criterion", "stream of a criterion", "role", "pause"),
    *("window of a criterion", "role of a criterion", "guard", "timing"),
)
"""None of them hides another, whatever their passes."""


def broken(*names: str) -> str:
    text = RIGHT
    for name in names:
        right, wrong = MISTAKES[name]
        assert text.count(right) == 1, name
        text = text.replace(right, wrong)
    return text


def fits(first: str, second: str) -> bool:
    """Whether the second can be made beside the first: they are not of the same words."""
    return first != second and all(
        RIGHT.replace(*MISTAKES[one]).count(MISTAKES[other][0]) == 1
        for one, other in ((first, second), (second, first))
    )


def places(problems: tuple[str, ...]) -> set[str]:
    """Problems without their columns, which a mistake before them in its line moves, and without names of others."""
    renamed = [problem.replace(".2nd.", ".users.").replace(".servr.", ".server.") for problem in problems]
    return {f"{text.split(':')[1]} {text.split(': ', 1)[1].split(';')[0].partition(' (')[0]}" for text in renamed}


@pytest.fixture
def said(problems):
    def of(*names: str) -> set[str]:
        return places(problems(base=broken(*names)))

    return of


def test_the_file_without_mistakes_is_right(said) -> None:
    assert said() == set()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_where_it_is_and_nowhere_else(said, name: str) -> None:
    told = {"word": 2, "stream": 2, "a role": 2, "within": 2, "stable_for": 2, "baseline": 2}  # each of two is right
    assert len(said(name)) == told.get(name, 1)


PAIRS = [pair for pair in combinations(MISTAKES, 2) if fits(*pair)]


@pytest.mark.parametrize("pairs", [PAIRS[::12], pytest.param(PAIRS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_two_mistakes_say_nothing_that_neither_of_them_says_alone(said, pairs: list[tuple[str, str]]) -> None:
    alone = {name: said(name) for name in MISTAKES}
    for first, second in pairs:
        both = said(first, second)
        assert both, (first, second)
        assert both <= alone[first] | alone[second], (first, second)


def test_many_mistakes_are_all_told_in_one_round(said) -> None:
    assert said(*INDEPENDENT) == set().union(*(said(name) for name in INDEPENDENT))


def test_a_mistake_of_the_command_line_hides_no_others(problems) -> None:
    wrong = broken("metric", "fault")
    said = problems(base=wrong, sets=("steady_state.load.usr.clients=3", "method.7.pause=3s", "timing.warmup"))
    assert [text.split(": ")[1] for text in said] == [
        "steady_state.hypothesis.0.metric",
        "method.0.fault",
        "steady_state.load has no entry 'usr'; did you mean 'users'?; a new one needs a whole mapping",
        "method has 2 entries, counted from 0; there is no 7",
        "has no value; write --set path=value",
    ]


def test_a_misplaced_override_has_no_follow_ups(problems) -> None:
    """With the 300 clients that were meant, a baseline of 2 s would do."""
    small = RIGHT.replace("clients: 300", "clients: 20").replace("workers: 2", "workers: 1")
    quick = "profiles: {more: {steady_state.load.usrs.clients: 300, timing.baseline: 2900ms}}\n"
    (said,) = problems(base=small + quick)
    assert "steady_state.load has no entry 'usrs'" in said


def test_what_the_environment_does_not_give_hides_nothing_else(problems) -> None:
    wrong = broken("metric").replace("clients: 300", "clients: ${n}").replace("default: 300", "defualt: 300")
    said = problems(base=wrong)
    assert [text.split(": ")[1] for text in said] == [
        "configuration.n.defualt",
        "steady_state.load.users.clients",
        "steady_state.hypothesis.0.metric",
    ]


def test_every_unknown_option_of_a_reference_is_told_at_its_key(problems) -> None:
    text = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 1}}}
target:
  reference: mt5-bridge
  options:
    rate: 3
    raet: 3
    sede: 1
"""
    raet, sede = problems(base=text)
    assert raet.startswith("e.yaml:7:11: target.options.raet: mt5-bridge has no option 'raet'; known: ")
    assert sede.startswith("e.yaml:8:11: target.options.sede: ")


def test_what_can_be_guarded_is_what_can_be_read_live() -> None:
    assert {*sight.OF_LOAD, *sight.OF_ROLE} == set(GUARDED)
