"""What an experiment asks of the machines that play it, and what the run of one showed."""

from __future__ import annotations

from math import isclose
from pathlib import Path

import pytest

from chaosrun.costs import MEASURED, Seen
from chaosrun.errors import UsageError
from chaosrun.journal import Journal, PushRows, SlotRows
from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.records import Began, Ended, Kind, Lag, Phase, Status, Stream
from chaosrun.sizing import Example, demand_of, example, is_ours, like, with_pushes
from chaosrun.spec.loader import Loaded, load_experiment

S = 1_000_000_000
USERS = "protocol: mt5, clients: 1000, requests: 2/s, channels: {list: [EURUSD]}"


def loaded(tmp_path: Path, group: str = USERS, target: str = "{reference: mt5-bridge}", more: str = "") -> Loaded:
    file = tmp_path / "one.yaml"
    file.write_text(f"title: t\nsteady_state: {{load: {{users: {{{group}}}{more}}}}}\ntarget: {target}\n")
    return load_experiment(file)


def test_the_rates_of_a_group_are_those_of_all_its_clients(tmp_path: Path) -> None:
    (users,) = demand_of(loaded(tmp_path, USERS + ", heartbeat: 10s, sentinels: 5/s, workers: 3")).groups
    assert (users.clients, users.workers, users.requests_per_s, users.pings_per_s) == (1_000, 3, 2_005.0, 100.0)
    assert users.pushes_per_s is None, "its protocol has a stream, and nobody knows how much comes"


def test_the_ramp_tells_how_many_connect_at_once(tmp_path: Path) -> None:
    (users,) = demand_of(loaded(tmp_path, USERS + ", ramp: {over: 9s, start: 100}")).groups
    assert users.connects_per_s == 100.0


def test_of_stages_the_steepest_counts(tmp_path: Path) -> None:
    stages = (
        "[{name: a, over: 10s, to: 100}, {name: b, hold: 30s}, {name: c, over: 3s, to: 1000}, {name: d, hold: 60s}, "
        "{name: e, over: 1s, to: 0}]"
    )
    (users,) = demand_of(loaded(tmp_path, USERS + f", stages: {stages}")).groups
    assert users.connects_per_s == 300.0


@pytest.mark.parametrize(("jitter", "back_s"), [("full", 8.0), ("equal", 4.0), ("none", 1.0)])
def test_clients_come_back_within_their_longest_wait(tmp_path: Path, jitter: str, back_s: float) -> None:
    (users,) = demand_of(loaded(tmp_path, USERS + f", reconnect: {{max: 8s, jitter: {jitter}}}")).groups
    assert users.back_s == back_s


def test_pollers_have_a_connection_for_each_request_that_may_be_open(tmp_path: Path) -> None:
    group = "http: [{path: /x}], clients: 100, requests: 1/2s, reply_timeout: 5s"
    (users,) = demand_of(loaded(tmp_path, group, "{reference: stock-tracker}")).groups
    assert (users.by_http, users.sockets, users.back_s, users.pushes_per_s) == (True, 3, 2.0, 0.0)


def test_what_is_pushed_is_told_for_all_groups_or_for_one(tmp_path: Path) -> None:
    demand = demand_of(loaded(tmp_path, more=f", others: {{{USERS}}}"))
    told = with_pushes(demand, {None: 1.0, "others": 3.0})
    assert [group.pushes_per_s for group in told.groups] == [1_000.0, 3_000.0]
    with pytest.raises(UsageError, match="there is no group 'nobody' in the load; groups: users, others"):
        with_pushes(demand, {"nobody": 1.0})


@pytest.mark.parametrize(
    ("target", "ours"),
    [
        ("{reference: mt5-bridge}", True),
        ("{url: 'ws://127.0.0.1:1/'}", True),
        ("{url: 'ws://a.example/', allow: [a.example]}", False),
    ],
)
def test_a_service_on_this_machine_takes_its_share_of_it(tmp_path: Path, target: str, ours: bool) -> None:
    assert is_ours(loaded(tmp_path, target=target)) is ours


def test_what_goes_through_a_proxy_is_told_without_its_password(tmp_path: Path) -> None:
    group = USERS + ", http_proxy: 'http://me:s3cret@127.0.0.1:3128'"
    (users,) = demand_of(loaded(tmp_path, group)).groups
    assert users.via == "127.0.0.1:3128"


# ---- a run ----------------------------------------------------------------------------------------------------------


def recorded(folder: Path, *, baseline_s: int = 4) -> Path:
    """A run of 10 clients in two processes: 2 requests and 5 pushes of each a second, in its baseline."""
    plan = GroupPlan(name="users", clients=10, period_ns=S // 2, streams=(StreamPlan(),))
    engine = Journal(folder, "engine")
    engine.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(plan,))))
    engine.append(Phase(t=0, name="ramp"))
    engine.append(Phase(t=1 * S, name="baseline"))
    engine.append(Phase(t=(1 + baseline_s) * S, name="verify"))
    engine.append(Ended(t=10 * S))
    engine.close()
    for shard in range(2):
        load = Journal(folder, f"load-{shard}")
        slots, pushes = SlotRows(folder, f"load-{shard}"), PushRows(folder, f"load-{shard}")
        load.append(Stream(t=0, sid=0, g=0, c=shard, conn=1, channel="EURUSD"))
        for second in range(1, 9):
            busy = 0.05 if second < 1 + baseline_s else 0.9
            load.append(Lag(t=(second + 1) * S, span_ns=S, buckets={}, max_ns=0, cpu_ns=int(busy * S)))
            for each in range(10):
                due = second * S + each * S // 10
                slots.add(0, shard, due, due, due + 1, Status.SENT, Kind.SLOT)
                slots.add(0, shard, due, due, due + 1, Status.SENT, Kind.CANARY)
            for each in range(25):
                pushes.add(second * S + each, each, each, each, 0)
        slots.close()
        pushes.close()
        load.append(Ended(t=10 * S, slots=slots.count, pushes=pushes.count))
        load.close()
    return folder


def test_a_run_tells_what_its_clients_did_in_the_baseline_and_what_that_took(tmp_path: Path) -> None:
    seen = example(recorded(tmp_path))
    assert seen.groups == (Seen(name="users", clients=10, requests_per_s=20.0, pushes_per_s=50.0),)
    assert (round(seen.cpu, 9), seen.processes) == (0.1, 2)


def test_a_larger_load_like_a_run_does_as_much_a_client(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    demand, costs, by = like(demand_of(loaded(tmp_path)), MEASURED, example(recorded(tmp_path / "run")))
    (users,) = demand.groups
    assert (users.requests_per_s, users.pushes_per_s) == (2_000.0, 5_000.0)
    alone = 10 * MEASURED.client_cpu + 20 * MEASURED.request_cpu + 50 * MEASURED.push_cpu + 2 * MEASURED.process_cpu
    assert isclose(by, 0.1 / alone)
    assert isclose(costs.push_cpu, MEASURED.push_cpu * by)


def test_a_run_of_other_groups_tells_nothing(tmp_path: Path) -> None:
    demand = demand_of(loaded(tmp_path))
    with pytest.raises(UsageError, match="had no group 'users'; its groups: traders"):
        like(demand, MEASURED, Example((Seen(name="traders", clients=1, requests_per_s=1, pushes_per_s=0),), 0.1, 1))


def test_a_run_whose_baseline_is_too_short_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a run whose baseline lasted some seconds"):
        example(recorded(tmp_path, baseline_s=0))


def test_a_load_on_ray_is_for_as_many_machines_as_it_takes(tmp_path: Path) -> None:
    assert not demand_of(loaded(tmp_path)).on_cluster
    assert demand_of(loaded(tmp_path, target="{reference: mt5-bridge}\nfleet: {ray: {workers: 4}}")).on_cluster
