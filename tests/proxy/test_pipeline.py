"""What the toxics do to a stream, on a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.proxy.lots import Lots
from chaosrun.proxy.pipeline import Pipeline
from chaosrun.proxy.stage import Chunk, End, How, Item
from chaosrun.proxy.toxic import Toxic
from chaosrun.proxy.toxics import TYPES

MS = 1_000_000


def toxic(kind: str, name: str = "", toxicity: float = 1.0, **attributes: int) -> Toxic:
    made = TYPES[kind](**attributes)
    return Toxic(name=name or kind, type=kind, stream="upstream", toxicity=toxicity, attributes=made)


@dataclass
class Run:
    """A pipeline with its clock and all that came out, each with the time at which it came."""

    pipeline: Pipeline
    now: int = 0
    out: list[tuple[int, Item]] = field(default_factory=list)

    def take(self, items: list[Item]) -> None:
        self.out += [(self.now, item) for item in items]

    def put(self, data: bytes) -> None:
        self.take(self.pipeline.put(data, self.now))

    def end(self) -> None:
        self.take(self.pipeline.end(self.now))

    def until(self, when: int) -> None:
        """Wakes the pipeline whenever it asks for it, up to a time."""
        while (due := self.pipeline.due()) is not None and due <= when:
            self.now = max(self.now, due)
            self.take(self.pipeline.advance(self.now))
        self.now = when

    @property
    def data(self) -> bytes:
        return b"".join(item.data for _, item in self.out if isinstance(item, Chunk))

    @property
    def times(self) -> list[tuple[int, bytes]]:
        """Of each chunk, in ms."""
        return [(when // MS, item.data) for when, item in self.out if isinstance(item, Chunk)]

    @property
    def ends(self) -> list[tuple[int, How]]:
        return [(when // MS, item.how) for when, item in self.out if isinstance(item, End)]


def run(*toxics: Toxic, connection: int = 1) -> Run:
    return Run(Pipeline(toxics, Lots(7, "p", connection, "upstream"), 0))


# Properties: whatever is done to the toxics, at whatever time.

small = st.integers(0, 40)
keeping = st.one_of(
    st.builds(lambda a, b: ("latency", {"latency": a, "jitter": b}), small, small),
    st.builds(lambda a: ("bandwidth", {"rate": a}), st.integers(0, 3)),
    st.builds(
        lambda a, b, c: ("slicer", {"average_size": a, "size_variation": b, "delay": c}),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 2000),
    ),
    st.builds(lambda a: ("slow_close", {"delay": a}), small),
    st.just(("noop", {})),
    st.builds(lambda a: ("reset_peer", {"timeout": 10**9 + a}), small),  # longer than the test lasts
)
toxicity = st.sampled_from([0.0, 0.3, 0.7, 1.0])
names = st.sampled_from("abc")
connections = st.integers(1, 1000)
deeds = st.one_of(
    st.tuples(st.just("put"), st.binary(min_size=1, max_size=60)),
    st.tuples(st.just("wait"), st.integers(0, 50 * MS)),
    st.tuples(st.just("late"), st.integers(0, 50 * MS)),
    st.tuples(st.just("lay"), names, keeping, toxicity),
    st.tuples(st.just("remove"), names),
)


def play(script: list[tuple], ran: Run) -> bytes:
    """Does what the script says; what was put in."""
    laid: dict[str, str] = {}
    given = b""
    for deed, *of in script:
        if deed == "put":
            given += of[0]
            ran.put(of[0])
        elif deed == "wait":
            ran.until(ran.now + of[0])
        elif deed == "late":  # a timer that comes late
            ran.now += of[0]
        elif deed == "lay":
            name, (kind, attributes), share = of
            new = toxic(kind, name, share, **attributes)
            if laid.get(name) == kind:
                ran.take(ran.pipeline.change(new, ran.now))
            elif name not in laid:
                ran.pipeline.add(new, ran.now)
                laid[name] = kind
        elif of[0] in laid:
            del laid[of[0]]
            ran.take(ran.pipeline.remove(of[0], ran.now))
    ran.end()
    for name in laid:
        ran.take(ran.pipeline.remove(name, ran.now))
    return given


@given(st.lists(deeds, max_size=40), connections)
def test_nothing_is_lost_doubled_or_reordered_however_toxics_come_change_and_go(
    script: list[tuple], connection: int
) -> None:
    ran = run(connection=connection)
    given = play(script, ran)
    assert ran.data == given
    assert [how for _, how in ran.ends] == [How.PASSED]
    assert isinstance(ran.out[-1][1], End)


@given(st.lists(deeds, max_size=40), connections)
def test_nothing_leaves_before_its_time_and_what_is_due_is_given_out(script: list[tuple], connection: int) -> None:
    ran = run(connection=connection)
    play(script, ran)
    assert all(item.at <= when for when, item in ran.out)
    assert [item.at for _, item in ran.out] == sorted(item.at for _, item in ran.out)
    assert ran.pipeline.due() is None


@given(st.lists(st.tuples(st.integers(0, 30 * MS), st.binary(min_size=1, max_size=300)), max_size=20), st.data())
def test_a_full_pipeline_empties_itself(arrivals: list[tuple[int, bytes]], data: st.DataObject) -> None:
    kinds = data.draw(st.lists(keeping.filter(lambda it: it[0] != "reset_peer" and it[1].get("rate") != 0), max_size=4))
    ran = run(*(toxic(kind, str(n), **of) for n, (kind, of) in enumerate(kinds)))
    for wait, chunk in arrivals:
        ran.until(ran.now + wait)
        ran.put(chunk)
    ran.end()
    ran.until(10**6 * MS)
    assert ran.data == b"".join(chunk for _, chunk in arrivals)
    assert ran.pipeline.done


@given(
    st.integers(1, 500), st.integers(0, 500), st.lists(st.integers(0, 20 * MS), min_size=1, max_size=30), connections
)
def test_latency_is_within_its_jitter_or_held_up_by_what_is_before_it(
    latency: int, jitter: int, waits: list[int], connection: int
) -> None:
    ran = run(toxic("latency", latency=latency, jitter=jitter), connection=connection)
    sent = []
    for number, wait in enumerate(waits):
        ran.until(ran.now + wait)
        sent.append(ran.now)
        ran.put(bytes([number]))
    ran.until(10**6 * MS)
    previous = 0
    for entered, (left, item) in zip(sent, ran.out, strict=True):
        assert left >= item.at >= entered + max(0, latency - jitter) * MS
        assert previous <= item.at <= max(previous, entered + (latency + jitter) * MS)
        previous = item.at


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_toxicity_affects_the_same_connections_and_more(one: float, other: float) -> None:
    low, high = sorted((one, other))
    lots = [Lots(3, "p", number, "upstream").lot("t") for number in range(50)]
    affected = [[number for number, lot in enumerate(lots) if lot < share] for share in (low, high)]
    assert set(affected[0]) <= set(affected[1])


# Claims about single toxics.


def test_latency_delays_each_chunk_from_its_own_arrival() -> None:
    ran = run(toxic("latency", latency=100))
    ran.put(b"a")
    ran.until(30 * MS)
    ran.put(b"b")
    ran.until(1000 * MS)
    assert ran.times == [(100, b"a"), (130, b"b")]


def test_each_chunk_has_a_jitter_of_its_own() -> None:
    ran = run(toxic("latency", latency=100, jitter=50))
    for _ in range(10):
        ran.put(b"x")
        ran.until(ran.now + 1000 * MS)
    assert len({when % (1000 * MS) for when, _ in ran.out}) == 10


def test_a_late_timer_is_not_added_up_over_a_chain() -> None:
    ran = run(toxic("latency", "one", latency=100), toxic("latency", "two", latency=100))
    ran.put(b"a")
    ran.now = 103 * MS  # the timer for 100 comes late
    ran.take(ran.pipeline.advance(ran.now))
    assert ran.pipeline.due() == 200 * MS


def test_a_toxic_that_goes_while_its_timer_is_late_has_let_go_in_time() -> None:
    ran = run(toxic("latency", "one", latency=100), toxic("latency", "two", latency=100))
    ran.put(b"a")
    ran.now = 103 * MS
    ran.take(ran.pipeline.remove("one", ran.now))
    assert ran.pipeline.due() == 200 * MS


@pytest.mark.parametrize("more", [0, 1])
def test_what_a_toxic_held_when_it_goes_is_ahead_of_what_was_behind_it(more: int) -> None:
    after = [toxic("slow_close", "three", delay=0)] * more
    ran = run(toxic("slicer", "one", average_size=1), toxic("latency", "two", latency=100), *after)
    data = bytes(range(250)) * 4
    ran.put(data)  # more slices than leave in one turn: some are with the second toxic, some still with the first
    ran.take(ran.pipeline.remove("two", ran.now))
    ran.until(0)
    assert ran.data == data


def test_an_end_of_stream_follows_the_last_chunk_and_is_not_delayed_itself() -> None:
    ran = run(toxic("latency", latency=100))
    ran.put(b"a")
    ran.until(40 * MS)
    ran.end()
    ran.until(1000 * MS)
    assert ran.times == [(100, b"a")]
    assert ran.ends == [(100, How.PASSED)]


def test_a_lower_latency_lets_go_at_once_of_what_is_overdue_by_it() -> None:
    ran = run(toxic("latency", latency=1000))
    ran.put(b"a")
    ran.until(50 * MS)
    ran.put(b"b")
    ran.until(60 * MS)
    ran.take(ran.pipeline.change(toxic("latency", latency=20), ran.now))
    ran.until(2000 * MS)
    assert ran.times == [(60, b"a"), (70, b"b")]


def test_bandwidth_passes_so_many_bytes_a_millisecond_in_pieces_of_a_tenth_of_a_second() -> None:
    ran = run(toxic("bandwidth", rate=1))
    ran.put(b"x" * 250)
    ran.until(1000 * MS)
    assert [(when, len(data)) for when, data in ran.times] == [(100, 100), (200, 100), (250, 50)]


def test_a_bandwidth_of_nothing_passes_nothing_and_saves_nothing_up() -> None:
    ran = run(toxic("bandwidth", rate=0))
    ran.put(b"x" * 100)
    ran.until(5000 * MS)
    assert ran.times == []
    ran.take(ran.pipeline.change(toxic("bandwidth", rate=1), ran.now))
    ran.until(9000 * MS)
    assert [when for when, _ in ran.times] == [5100]


def test_slices_have_the_size_asked_for_and_the_delay_between_them() -> None:
    ran = run(toxic("slicer", average_size=10, delay=2000))
    ran.put(b"x" * 25)
    ran.until(1000 * MS)
    assert [(when, len(data)) for when, data in ran.times] == [(0, 10), (2, 10), (4, 5)]


@given(st.integers(1, 50), st.integers(0, 49), st.integers(1, 2000))
def test_slices_vary_by_no_more_than_asked_for(average: int, variation: int, size: int) -> None:
    ran = run(toxic("slicer", average_size=average, size_variation=variation))
    ran.put(b"x" * size)
    ran.until(0)
    sizes = [len(data) for _, data in ran.times]
    assert sum(sizes) == size
    assert all(max(1, average - variation) <= each <= average + variation for each in sizes[:-1])


def test_a_chunk_in_slices_of_a_byte_takes_many_turns_and_comes_whole() -> None:
    ran = run(toxic("slicer", average_size=1))
    data = bytes(range(250)) * 20
    ran.put(data)
    assert len(ran.out) < 500
    assert ran.pipeline.due() == 0
    ran.until(0)
    assert ran.data == data


def test_slow_close_delays_the_end_and_no_data() -> None:
    ran = run(toxic("slow_close", delay=500))
    ran.put(b"a")
    ran.end()
    ran.until(1000 * MS)
    assert ran.times == [(0, b"a")]
    assert ran.ends == [(500, How.PASSED)]


def test_a_timeout_counts_from_the_last_data_that_it_dropped() -> None:
    ran = run(toxic("timeout", timeout=100))
    ran.until(60 * MS)
    ran.put(b"a")
    ran.until(1000 * MS)
    assert ran.times == []
    assert ran.ends == [(160, How.CLOSED)]


def test_a_timeout_that_is_over_does_not_begin_anew_because_its_timer_is_late() -> None:
    ran = run(toxic("timeout", timeout=100))
    ran.now = 105 * MS
    ran.put(b"a")
    assert ran.ends == [(105, How.CLOSED)]


def test_a_new_timeout_counts_from_its_change() -> None:
    ran = run(toxic("timeout", timeout=1000))
    ran.until(500 * MS)
    ran.take(ran.pipeline.change(toxic("timeout", timeout=600), ran.now))
    ran.until(5000 * MS)
    assert ran.ends == [(1100, How.CLOSED)]


def test_a_timeout_of_nothing_never_closes_and_drops_until_it_is_taken_away() -> None:
    ran = run(toxic("timeout", timeout=0))
    ran.put(b"a")
    ran.until(10**6 * MS)
    assert ran.out == []
    ran.take(ran.pipeline.remove("timeout", ran.now))
    assert ran.ends == [(10**6, How.CLOSED)]


def test_a_reset_comes_a_while_after_the_first_data_and_loses_it() -> None:
    ran = run(toxic("reset_peer", timeout=100))
    ran.until(50 * MS)
    ran.put(b"a")
    ran.put(b"b")
    ran.until(1000 * MS)
    assert ran.times == []
    assert ran.ends == [(150, How.RESET)]


def test_a_limit_passes_so_many_bytes_then_closes() -> None:
    ran = run(toxic("limit_data", bytes=5))
    ran.put(b"abc")
    ran.put(b"defg")
    ran.put(b"h")
    assert ran.data == b"abcde"
    assert ran.ends == [(0, How.CLOSED)]


def test_a_limit_that_is_just_reached_closes_at_once() -> None:
    ran = run(toxic("limit_data", bytes=5))
    ran.put(b"abcde")
    assert ran.data == b"abcde"
    assert ran.ends == [(0, How.CLOSED)]


def test_a_limit_keeps_its_count_when_it_is_changed() -> None:
    ran = run(toxic("limit_data", bytes=5))
    ran.put(b"abc")
    ran.take(ran.pipeline.change(toxic("limit_data", bytes=4), ran.now))
    ran.put(b"defg")
    assert ran.data == b"abcd"
    assert ran.ends == [(0, How.CLOSED)]


def test_what_ends_in_the_middle_of_a_chain_ends_and_wakes_nobody_for_nothing() -> None:
    ran = run(toxic("limit_data", bytes=1), toxic("slow_close", delay=100))
    ran.put(b"abc")
    ran.put(b"def")
    assert ran.pipeline.due() == 100 * MS
    ran.until(1000 * MS)
    assert ran.data == b"a"
    assert ran.ends == [(100, How.CLOSED)]


@pytest.mark.parametrize(
    "chain",
    [
        [toxic("limit_data", bytes=1), toxic("slow_close", delay=100)],
        [toxic("latency", latency=50), toxic("limit_data", bytes=1)],
        [toxic("reset_peer", timeout=0), toxic("slow_close", delay=100)],
    ],
    ids=["ended in the middle", "ended at its end", "reset"],
)
def test_what_has_ended_holds_nothing_and_asks_nobody_to_wait(chain: list[Toxic]) -> None:
    ran = run(*chain)
    ran.put(b"xx")
    ran.until(50 * MS)
    for _ in range(100):
        ran.put(b"x" * (64 << 10))
    assert not ran.pipeline.full()


def test_a_reset_gives_up_what_it_held() -> None:
    ran = run(toxic("reset_peer", timeout=100))
    for _ in range(3):
        ran.put(b"x" * (64 << 10))
    assert ran.pipeline.full()
    ran.until(100 * MS)
    assert not ran.pipeline.full()


def test_a_slow_toxic_says_when_it_has_enough_and_a_latency_has_room_for_what_is_on_its_way() -> None:
    slow, late = run(toxic("bandwidth", rate=1)), run(toxic("latency", latency=100))
    for ran in (slow, late):
        ran.put(b"x" * (64 << 10))
    assert slow.pipeline.full()
    assert not late.pipeline.full()
    slow.until(40_000 * MS)
    assert not slow.pipeline.full(0.5)
    for _ in range(64):
        late.put(b"x" * (64 << 10))
    assert late.pipeline.full()


def test_tiny_chunks_count_for_more_than_their_bytes() -> None:
    ran = run(toxic("bandwidth", rate=0))
    for _ in range(1000):
        ran.put(b"x")
    assert ran.pipeline.full()


def test_the_same_seed_gives_the_same_jitter_whatever_other_connections_do() -> None:
    def left(number: int) -> list[int]:
        ran = Run(Pipeline([toxic("latency", latency=100, jitter=50)], Lots(7, "p", number, "upstream"), 0))
        for _ in range(10):
            ran.put(b"x")
            ran.until(ran.now + 200 * MS)
        return [when for when, _ in ran.out]

    assert left(1) == left(1)
    assert left(1) != left(2)


def test_another_seed_is_another_fate() -> None:
    def lots(seed: int) -> list[float]:
        return [Lots(seed, "p", number, "upstream").lot("t") for number in range(8)]

    assert lots(7) == lots(7)
    assert lots(7) != lots(8)
