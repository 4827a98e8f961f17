"""What tc is told, word by word, and how its answers are read."""

from __future__ import annotations

import pytest

from chaosrun.shaping.queues import Shape, calm, put, read, take

SLOW = Shape(delay_ns=100_000_000)

NETEM = (
    '[{"kind":"htb","handle":"504c:","root":true,"refcnt":2,"options":{"r2q":10,"default":"0","direct_packets_stat":7,'
    '"direct_qlen":10000},"bytes":900,"packets":9,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":3},'
    '{"kind":"netem","handle":"504e:","parent":"504c:10","options":{"limit":105000,"delay":{"delay":0.1,"jitter":0.005,'
    '"correlation":0},"loss-random":{"loss":0.01,"correlation":0},"rate":{"rate":187500,"packetoverhead":0,"cellsize":0,'
    '"celloverhead":0},"ecn":false,"gap":0},"bytes":740,"packets":8,"drops":2,"overlimits":0,"requeues":0,"backlog":0,'
    '"qlen":3}]'
)
"""As iproute2 6.1 answers."""


def test_only_the_port_passes_netem_and_the_filters_come_last() -> None:
    assert put("lo", 9000, "both", SLOW).splitlines() == [
        "qdisc add dev lo root handle 504c: htb default 0 direct_qlen 10000",
        "class add dev lo parent 504c: classid 504c:10 htb rate 10gbit",
        "qdisc add dev lo parent 504c:10 handle 504e: netem delay 100000us limit 100000",
        "filter add dev lo parent 504c: protocol ip prio 10 "
        "u32 match ip protocol 6 0xff match ip dport 9000 0xffff flowid 504c:10",
        "filter add dev lo parent 504c: protocol ip prio 10 "
        "u32 match ip protocol 6 0xff match ip sport 9000 0xffff flowid 504c:10",
        "filter add dev lo parent 504c: protocol ipv6 prio 11 "
        "u32 match ip6 protocol 6 0xff match ip6 dport 9000 0xffff flowid 504c:10",
        "filter add dev lo parent 504c: protocol ipv6 prio 11 "
        "u32 match ip6 protocol 6 0xff match ip6 sport 9000 0xffff flowid 504c:10",
    ]


@pytest.mark.parametrize(("direction", "there", "absent"), [("in", "dport", "sport"), ("out", "sport", "dport")])
def test_a_direction_is_seen_from_the_service(direction: str, there: str, absent: str) -> None:
    batch = put("eth0", 80, direction, SLOW)  # type: ignore[arg-type]
    assert batch.count(there) == 2
    assert absent not in batch


def test_no_batch_replaces_what_is_there() -> None:
    for batch in (put("lo", 1, "both", SLOW), calm("lo", 100_000), take("lo")):
        assert "replace" not in batch


def test_what_is_deleted_is_named_by_our_handle() -> None:
    assert take("lo") == "qdisc del dev lo root handle 504c:\n"


def test_calming_names_what_a_change_would_forget_and_what_it_would_keep() -> None:
    assert calm("lo", 100_000) == (
        "qdisc change dev lo parent 504c:10 handle 504e: netem delay 0us corrupt 0% rate 0bit limit 100000\n"
    )


def test_a_shape_is_said_in_netems_words() -> None:
    shape = Shape(20_000_000, 1_500_000, loss=0.005, duplicate=0.01, corrupt=1e-3, reorder=0.25, rate=187_500)
    assert " ".join(shape.options()) == (
        "delay 20000us 1500us loss 0.5% duplicate 1% corrupt 0.1% reorder 25% rate 1500000bit limit 21500"
    )


@pytest.mark.parametrize("delay_ns", [0, 1_000_000, 100_000_000, 30_000_000_000])
def test_the_queue_holds_twice_what_is_under_way_at_the_highest_rate(delay_ns: int) -> None:
    shape = Shape(delay_ns)
    assert shape.limit >= 2 * 500_000 * delay_ns / 1e9
    assert shape.limit >= 10_000


def test_the_kernels_own_root_has_no_handle() -> None:
    found = read('[{"kind":"noqueue","handle":"0:","root":true,"refcnt":2,"options":{}}]')
    assert found.is_default
    assert not found.is_ours


def test_a_queue_that_somebody_set_is_neither_the_kernels_nor_ours() -> None:
    found = read('[{"kind":"fq","handle":"8001:","root":true,"refcnt":2,"options":{"limit":10000}}]')
    assert not found.is_default
    assert not found.is_ours
    assert found.root == "fq 8001:"


def test_a_device_without_any_queue_is_as_the_kernel_made_it() -> None:
    assert read("[]").is_default


def test_our_netem_is_read_back_with_its_counts() -> None:
    found = read(NETEM)
    assert found.is_ours
    assert found.leaf is not None
    assert found.leaf.shape == Shape(100_000_000, 5_000_000, loss=0.01, rate=187_500)
    assert (found.leaf.limit, found.leaf.passed, found.leaf.lost, found.leaf.waiting) == (105_000, 8, 2, 3)
    assert found.leaf.holds(found.leaf.shape)


@pytest.mark.parametrize(
    "other",
    [
        Shape(101_000_000, 5_000_000, loss=0.01, rate=187_500),
        Shape(100_000_000, 6_000_000, loss=0.01, rate=187_500),
        Shape(100_000_000, 5_000_000, loss=0.02, rate=187_500),
        Shape(100_000_000, 5_000_000, loss=0.01, rate=None),
    ],
)
def test_another_shape_than_was_asked_for_is_noticed(other: Shape) -> None:
    leaf = read(NETEM).leaf
    assert leaf is not None
    assert not leaf.holds(other)


def test_somebody_elses_netem_is_not_ours() -> None:
    found = read(NETEM.replace("504c:", "1:"))
    assert not found.is_ours
    assert found.leaf is None


def test_what_a_torn_batch_left_is_ours_without_a_leaf() -> None:
    found = read('[{"kind":"htb","handle":"504c:","root":true,"options":{"r2q":10}}]')
    assert found.is_ours
    assert found.leaf is None
