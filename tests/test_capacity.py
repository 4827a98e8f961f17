"""How many processes, machines and addresses a load needs: exact sums, and what must be true of any load."""

from __future__ import annotations

from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chaosrun.capacity import RECORDED_BYTES, SPARE, Capacity, Machine, capacity
from chaosrun.costs import MEASURED, Costs, Demand, GroupDemand, Seen, cpu_of, factor
from chaosrun.journal import PushRows, SlotRows
from chaosrun.load.limits import SPARE as SPARE_OF_THE_LOAD

ROUND = Costs(
    process_bytes=50e6,
    process_cpu=0.1,
    heard_cpu=0.0,
    client_bytes=10e3,
    client_cpu=1e-12,
    connection_cpu=1e-3,
    push_cpu=1e-4,
    request_cpu=1e-3,
    exchange_cpu=2e-3,
    scored_request_bytes=500.0,
    scored_request_s=1e-5,
    scored_push_s=1e-6,
    source="made up, so that sums are round",
)
"""With it a process has 0.4 cores for its clients."""
LARGE = Machine(cores=100, memory_bytes=1e12)


def demand(**group: object) -> Demand:
    return Demand(groups=(GroupDemand(**{"name": "users", "clients": 1_000, "back_s": inf} | group),), lasts_s=100.0)


def bound(found: Capacity, what: str) -> object:
    (each,) = (each for each in found.bounds if each.what == what)
    return each


def test_what_is_asked_each_second_makes_processes() -> None:
    found = capacity(demand(requests_per_s=1_999.0), LARGE, ROUND)
    assert isclose(bound(found, "CPU while the load is held").needed, 1.999, rel_tol=1e-6)
    assert (found.processes, found.machines, found.clients_of_process) == (5, 1, 200)
    assert found.bottleneck.what in ("CPU while the load is held", "CPU when all of them come back")


def test_heartbeats_pushes_and_exchanges_count_by_what_each_costs() -> None:
    groups = (
        GroupDemand(name="a", clients=10, requests_per_s=100.0, pings_per_s=50.0, pushes_per_s=1_000.0),
        GroupDemand(name="b", clients=10, requests_per_s=100.0, by_http=True),
    )
    assert isclose(cpu_of(groups, ROUND, "held"), 0.15 + 0.1 + 0.2)


def test_a_steep_ramp_makes_processes_that_the_load_itself_does_not_need() -> None:
    found = capacity(demand(connects_per_s=1_000.0), LARGE, ROUND)
    assert found.processes == 3
    assert found.bottleneck.what == "CPU while its clients connect"


def test_so_does_a_return_that_is_as_steep() -> None:
    found = capacity(demand(back_s=0.51), LARGE, ROUND)
    assert found.processes == 5
    assert found.bottleneck.what == "CPU when all of them come back"


def test_descriptors_make_processes_and_the_answer_is_what_the_load_itself_checks() -> None:
    machine = replace(LARGE, descriptors=351)
    found = capacity(demand(), machine, ROUND)
    assert SPARE == SPARE_OF_THE_LOAD
    assert (found.processes, found.clients_of_process) == (4, 250)


def test_ports_make_addresses_and_neither_processes_nor_machines() -> None:
    found = capacity(demand(), replace(LARGE, ports=300), ROUND)
    assert (found.processes, found.machines, found.addresses, found.fits) == (1, 1, 4, False)
    assert capacity(demand(sources=4), replace(LARGE, ports=300), ROUND).fits


def test_groups_that_take_different_ways_do_not_share_their_ports() -> None:
    groups = (GroupDemand(name="a", clients=300), GroupDemand(name="b", clients=300, via="proxy:8080"))
    machine = replace(LARGE, ports=300)
    assert capacity(Demand(groups=groups, lasts_s=1), machine, ROUND).addresses == 1
    together = (groups[0], replace(groups[1], via=""))
    assert capacity(Demand(groups=together, lasts_s=1), machine, ROUND).addresses == 2


def test_memory_makes_machines() -> None:
    # 0.8 of 75 MB are 60; a process of 50 MB with 1,000 clients of 10 kB fills them
    assert capacity(demand(), replace(LARGE, memory_bytes=75e6), ROUND).machines == 1
    found = capacity(demand(), replace(LARGE, memory_bytes=74e6), ROUND)
    assert (found.machines, found.fits, found.bottleneck.what) == (2, False, "memory of a machine")


def test_a_load_for_a_cluster_fits_on_as_many_machines_as_it_takes_each_with_its_addresses() -> None:
    machine = replace(LARGE, memory_bytes=74e6, ports=500)
    one = capacity(demand(), machine, ROUND)
    assert (one.machines, one.addresses, one.sources, one.fits) == (2, 2, 1, False)
    many = capacity(replace(demand(), on_cluster=True), machine, ROUND)
    assert (many.machines, many.addresses, many.sources, many.fits) == (2, 2, 2, True)
    assert not capacity(replace(demand(), on_cluster=True), replace(machine, ports=499), ROUND).fits


def test_a_machine_without_a_core_to_spare_plays_nobody() -> None:
    found = capacity(demand(requests_per_s=1.0), replace(LARGE, cores=0.2), ROUND)
    assert (found.clients_of_machine, found.fits) == (0, False)


def test_what_the_service_pushes_is_unknown_and_not_nothing() -> None:
    found = capacity(demand(pushes_per_s=None, requests_per_s=None), LARGE, ROUND)
    assert found.unknown == ("users: how much the service pushes", "users: how often its scripts ask")
    assert capacity(demand(), LARGE, ROUND).unknown == ()


def test_the_folder_grows_by_a_row_for_each_request_and_push() -> None:
    assert RECORDED_BYTES == 8 * SlotRows.columns == 8 * PushRows.columns
    found = capacity(demand(requests_per_s=10.0, pushes_per_s=90.0), LARGE, ROUND)
    assert found.recorded_per_s == 4_000
    assert found.recorded > 400_000


def test_a_run_that_this_machine_could_not_score_does_not_fit_it() -> None:
    found = capacity(demand(requests_per_s=1_000.0, pushes_per_s=9_000.0), LARGE, ROUND)
    assert (found.scoring_bytes, found.fits) == (50e6, True)
    assert isclose(found.scoring_s, 1.0 + 0.9)
    large = capacity(demand(clients=1, requests_per_s=1_000.0), replace(LARGE, memory_bytes=0.4e9), ROUND)
    assert large.fits
    lasting = replace(demand(clients=1, requests_per_s=1_000.0), lasts_s=1_000.0)
    assert capacity(lasting, replace(LARGE, memory_bytes=0.4e9), ROUND).machines == 1
    assert not capacity(lasting, replace(LARGE, memory_bytes=0.4e9), ROUND).fits


def test_a_run_that_took_twice_the_cpu_makes_everything_twice_as_dear() -> None:
    groups = demand(requests_per_s=1_000.0).groups
    seen = [Seen(name="users", clients=10, requests_per_s=100.0, pushes_per_s=1_000.0)]
    by = factor(seen, groups, cpu=2 * (0.1 + 0.1 + 3 * 0.1), processes=3, costs=ROUND)
    assert isclose(by, 2.0, rel_tol=1e-9)
    dear = ROUND.times(by)
    assert isclose(dear.request_cpu, 2e-3)
    assert isclose(dear.process_cpu, 0.2)
    assert dear.client_bytes == ROUND.client_bytes


# ---- of any load ----------------------------------------------------------------------------------------------------

GROUPS = st.builds(
    GroupDemand,
    name=st.sampled_from("abc"),
    clients=st.integers(1, 2_000_000),
    by_http=st.booleans(),
    sockets=st.integers(1, 6),
    half_open=st.integers(0, 50),
    requests_per_s=st.one_of(st.none(), st.floats(0, 1e6)),
    pushes_per_s=st.one_of(st.none(), st.floats(0, 1e7)),
    connects_per_s=st.floats(0, 1e5),
    back_s=st.floats(1, 100),
    sources=st.integers(1, 254),
    via=st.sampled_from(["", "proxy:1"]),
)
DEMANDS = st.builds(Demand, groups=st.lists(GROUPS, min_size=1, max_size=3).map(tuple), lasts_s=st.floats(1, 1e5))
MACHINES = st.builds(
    Machine,
    cores=st.floats(1, 256),
    memory_bytes=st.floats(1e8, 1e12),
    descriptors=st.one_of(st.none(), st.integers(1_000, 2_000_000)),
    ports=st.one_of(st.none(), st.integers(1_000, 64_000)),
)


@given(DEMANDS, MACHINES)
def test_each_process_has_enough_descriptors_by_the_loads_own_sum(wanted: Demand, machine: Machine) -> None:
    found = capacity(wanted, machine, MEASURED)
    if machine.descriptors is None:
        return
    for shard in (0, found.processes - 1):
        sockets = sum(
            len(range(shard, each.clients, found.processes)) * each.sockets + each.half_open for each in wanted.groups
        )
        assert sockets + SPARE <= machine.descriptors


@given(DEMANDS, MACHINES)
def test_no_address_has_more_connections_than_ports(wanted: Demand, machine: Machine) -> None:
    found = capacity(wanted, machine, MEASURED)
    for via in {each.via for each in wanted.groups}:
        total = sum(each.clients * each.sockets + each.half_open for each in wanted.groups if each.via == via)
        assert machine.ports is None or total <= machine.ports * found.addresses


@given(DEMANDS, MACHINES, st.integers(2, 10))
def test_more_clients_never_need_less(wanted: Demand, machine: Machine, times: int) -> None:
    names = ("clients", "requests_per_s", "pushes_per_s", "connects_per_s")
    more = replace(
        wanted,
        groups=tuple(
            replace(
                each, **{name: None if getattr(each, name) is None else getattr(each, name) * times for name in names}
            )
            for each in wanted.groups
        ),
    )
    small, large = capacity(wanted, machine, MEASURED), capacity(more, machine, MEASURED)
    assert small.processes <= large.processes
    assert small.machines <= large.machines
    assert small.addresses <= large.addresses


@given(DEMANDS, MACHINES)
def test_the_tightest_bound_is_the_one_that_is_named(wanted: Demand, machine: Machine) -> None:
    found = capacity(wanted, machine, MEASURED)
    worst = found.machines if found.machines > 1 else found.processes
    assert found.bottleneck.wanted == worst


@given(DEMANDS, MACHINES)
def test_as_many_clients_as_one_process_is_said_to_play_need_one(wanted: Demand, machine: Machine) -> None:
    found = capacity(wanted, machine, MEASURED)
    if found.processes > 1 or not found.clients_of_process:
        return
    assert found.clients_of_process >= wanted.clients


@pytest.mark.parametrize("processes", [1, 2, 7])
def test_so_many_processes_hold_the_load_and_one_less_does_not(processes: int) -> None:
    """Of the 0.4 cores that a process has, each request takes a thousandth."""
    assert capacity(demand(requests_per_s=400.0 * processes - 1), LARGE, ROUND).processes == processes
    assert capacity(demand(requests_per_s=400.0 * processes + 1), LARGE, ROUND).processes == processes + 1
