from __future__ import annotations

import msgspec

from chaosrun.plan import Plan
from chaosrun.spec.plan import make_plan

SECOND = 1_000_000_000
FAULT = "method: [{name: crash, fault: process_kill, role: server, restart: {by: chaosrun, after: 2s}}]\n"


def test_defaults_follow_the_table_of_the_format(load) -> None:
    (group,) = make_plan(load()).groups
    assert (group.latency_limit_ns, group.reply_timeout_ns) == (SECOND // 2, 5 * SECOND)
    assert group.connect_within_ns == 5 * SECOND
    assert (group.ramp_over_ns, group.ramp_start) == (3 * SECOND, 9)
    assert (group.period_ns, group.sentinel_period_ns) == (SECOND, None)


def test_a_ramp_lasts_between_one_second_and_thirty(load) -> None:
    for clients, over in ((20, 1), (300, 3), (2500, 25), (9000, 30)):
        plan = make_plan(load(sets=(f"steady_state.load.accounts.clients={clients}",)))
        assert plan.groups[0].ramp_over_ns == over * SECOND


def test_auto_tolerance_follows_the_rate_of_the_group(load) -> None:
    def tolerance(*sets: str) -> tuple[float, int]:
        (group,) = make_plan(load(sets=sets)).groups
        return group.tolerate_requests, group.window_ns

    clients = "steady_state.load.accounts.clients"
    assert tolerance() == (0.01, 2 * SECOND)
    assert tolerance(f"{clients}=50") == (0.06, 2 * SECOND)
    assert tolerance(f"{clients}=20") == (0.1, 3 * SECOND)
    assert tolerance(f"{clients}=10") == (0.1, 6 * SECOND)
    assert tolerance(f"{clients}=20", "steady_state.load.accounts.sentinels=280/s") == (0.01, 2 * SECOND)
    assert tolerance(f"{clients}=20", "recovery.tolerate.requests=5%") == (0.05, 6 * SECOND)
    assert tolerance("recovery.window=4s") == (0.01, 4 * SECOND)


def test_a_group_that_only_listens_has_no_period(load) -> None:
    (group,) = make_plan(load(sets=("steady_state.load.accounts.requests=none",))).groups
    assert (group.period_ns, group.tolerate_requests, group.window_ns) == (None, 0.01, 2 * SECOND)


def test_a_hypothesis_is_judged_in_baseline_and_verify_and_expectations_over_the_whole(load) -> None:
    base = """\
title: t
steady_state:
  load: {a: {protocol: mt5, clients: 300, requests: 1/s}}
  hypothesis:
    - {metric: bad, max: 1%}
    - {metric: usable, min: 90%, window: during}
target: {reference: mt5-bridge}
method: [{fault: process_kill, role: server}]
expect:
  - {metric: ttr, max: 10s}
  - {metric: push.missed_disconnected, max: 10%, name: missed}
  - {metric: response_p99, group: a, target: 100ms, warning: 200ms, critical: 500ms}
"""
    criteria = make_plan(load(base=base)).criteria
    assert [(c.name, c.window, c.source) for c in criteria] == [
        ("bad", "baseline", "hypothesis"),
        ("bad", "verify", "hypothesis"),
        ("usable", "during", "hypothesis"),
        ("ttr", "whole", "expect"),
        ("missed", "whole", "expect"),
        ("response_p99 of a", "whole", "expect"),
    ]
    assert [c.where for c in criteria] == ["e.yaml:5", "e.yaml:5", "e.yaml:6", "e.yaml:10", "e.yaml:11", "e.yaml:12"]
    assert (criteria[3].max, criteria[3].written, criteria[3].percent) == (10.0, "max 10s", False)
    assert (criteria[4].max, criteria[4].percent) == (0.1, True)
    assert (criteria[5].target, criteria[5].warning, criteria[5].critical) == (0.1, 0.2, 0.5)


def test_faults_are_numbered_and_know_whether_they_last(load) -> None:
    text = """\
    method:
      - {fault: noop}
      - {pause: 1s}
      - {fault: process_kill, role: terminal}
      - {name: crash, fault: process_kill, role: server, restart: {by: chaosrun, after: 2s}}
    """
    faults = make_plan(load(text)).faults
    assert [(f.id, f.name, f.kind, f.role, f.sustained, f.reaches_server) for f in faults] == [
        ("fault-1", "noop", "noop", None, False, False),
        ("fault-2", "process_kill terminal", "process_kill", "terminal", True, False),
        ("fault-3", "crash", "process_kill", "server", False, True),
    ]


def test_the_longest_duration_is_twice_what_is_planned_unless_it_is_given(load) -> None:
    assert make_plan(load(sets=("timing.max_duration=7m",))).max_duration_ns == 420 * SECOND
    plan = make_plan(load(FAULT))
    assert plan.max_duration_ns is not None
    assert plan.max_duration_ns > 2 * sum(plan.phases_ns.values())


def test_a_plan_reads_back_from_the_journals_form(load) -> None:
    plan = make_plan(load(FAULT))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
