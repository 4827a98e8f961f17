"""The method as a tree: which faults it has in which order, and how long it takes when all goes as planned."""

from __future__ import annotations

import pytest

from chaosrun.spec.method import all_faults, faults_of, method_ns, walk
from chaosrun.spec.plan import make_plan

SECOND = 1_000_000_000
TREE = """\
method:
  - {fault: noop, name: a}
  - parallel:
      - {fault: noop, name: b, for: 5s}
      - parallel: [{fault: noop, name: c}, {pause: 2s}]
      - {fault: process_kill, role: server, name: d, restart: {by: chaosrun, after: 3s}}
  - {fault: process_kill, role: terminal, name: e}
rollbacks: [{fault: noop, name: f}]
"""


def test_the_way_through_a_method_is_the_order_in_which_it_is_written(load) -> None:
    experiment = load(TREE).experiment
    assert [step.name for step in faults_of(experiment.method)] == ["a", "b", "c", "d", "e"]
    assert [step.name for step in all_faults(experiment)] == ["a", "b", "c", "d", "e", "f"]
    places = [path for path, _ in walk(experiment.method, ("method",))]
    assert places[1] == ("method", 1)
    assert places[4] == ("method", 1, "parallel", 1, "parallel", 0)


def test_the_faults_of_the_plan_are_those_of_the_method_and_know_whether_they_last(load) -> None:
    faults = make_plan(load(TREE)).faults
    assert [(fault.id, fault.name, fault.sustained, fault.reaches_server) for fault in faults] == [
        ("fault-1", "a", False, False),
        ("fault-2", "b", True, False),
        ("fault-3", "c", False, False),
        ("fault-4", "d", False, True),
        ("fault-5", "e", True, False),
    ]


@pytest.mark.parametrize(
    ("method", "seconds"),
    [
        ("[{pause: 2s}, {pause: 3s}]", 5),
        ("[{fault: noop}]", 0),
        ("[{fault: noop, for: 4s}, {pause: 1s}]", 5),
        ("[{fault: noop, at: 4s}, {pause: 1s}]", 5),
        ("[{pause: 6s}, {fault: noop, at: 4s, for: 1s}]", 7),
        ("[{fault: process_kill, role: server, restart: {by: chaosrun, after: 2s}}]", 2),
        ("[{pause: 1s}, {parallel: [{pause: 3s}, {fault: noop, for: 5s}, {fault: noop, at: 2s, for: 2s}]}]", 6),
        ("[{parallel: [{pause: 1s}], at: 4s}]", 5),
        ("[{parallel: [{parallel: [{pause: 1s}, {pause: 2s}]}, {pause: 1s}]}]", 2),
    ],
)
def test_a_method_takes_as_long_as_its_steps_one_after_the_other_and_the_longest_of_those_beside_each_other(
    load, method: str, seconds: int
) -> None:
    assert method_ns(load(f"method: {method}\n").experiment) == seconds * SECOND


def test_what_a_run_may_take_covers_method_and_rollbacks(load) -> None:
    fault = "method: [{fault: noop, for: 10s}]\n"
    short, longer = (make_plan(load(text)).max_duration_ns for text in (fault, fault + "rollbacks: [{pause: 3s}]\n"))
    assert short is not None and longer is not None
    assert longer - short == 2 * 3 * SECOND
    none = make_plan(load(fault.replace(", for: 10s", ""))).max_duration_ns
    assert none is not None
    assert short - none == 2 * 10 * SECOND


def test_a_step_within_parallel_is_overridden_by_its_name_or_index(load) -> None:
    loaded = load(TREE, sets=("method.1.parallel.b.for=7s", "method.1.parallel.1.parallel.1.pause=4s"))
    assert method_ns(loaded.experiment) == 7 * SECOND


def test_names_of_steps_make_no_difference_to_a_comparison(load) -> None:
    from chaosrun.spec.conditions import conditions_of

    def required(text: str) -> dict[str, str]:
        loaded = load(text)
        return conditions_of(loaded, make_plan(loaded), {}).required

    assert required(TREE) == required(TREE.replace("name: c", "name: other").replace("name: f", "name: tidy"))
    assert required(TREE) != required(TREE.replace("for: 5s", "for: 6s"))


@pytest.mark.parametrize(
    ("target", "processes", "told"),
    [
        ("{process: {name: x, expect: 2, start: [x]}}", "3", "3 processes of role 'server', which has 2 processes"),
        ("{command: [x]}", "2", "2 processes of role 'server', which has 1 process; write 1 or less, or 100%"),
        ("{process: {name: x, expect: 2, start: [x]}}", "0", "0 is no number of processes; write 30, or a share"),
        ("{process: {name: x, expect: 2, start: [x]}}", "120%", "'120%' is no number of processes"),
    ],
)
def test_more_processes_than_a_role_has_are_refused(problems, target: str, processes: str, told: str) -> None:
    (found,) = problems(
        f"method: [{{fault: process_kill, role: server, processes: {processes}}}]\n",
        base="title: t\nsteady_state: {load: {a: {protocol: mt5, clients: 1}}}\n"
        f'target: {{url: "ws://127.0.0.1:9/", roles: {{server: {target}}}}}\n',
    )
    assert ": method.0.processes: " in found
    assert told in found
