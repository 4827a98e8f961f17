from __future__ import annotations

from dataclasses import replace

from findings_of import crashed, of, sampled

from chaosrun.records import History

MB = 1_000_000


def busy(*shares: float) -> History:
    return sampled(crashed().history(), "server", [0.2] * 12 + [*shares] + [0.2] * (26 - len(shares)))


def test_a_role_that_uses_a_whole_core_for_a_while_is_told() -> None:
    told = of(busy(0.98, 0.99, 0.97), "cpu-bound")
    assert told is not None
    assert told.title == "server is CPU-bound"
    assert told.evidence == "98% of a core in 3 samples in a row, a second each, from 16 s to 18 s of the run"
    assert of(busy(0.98, 0.5, 0.99, 0.97), "cpu-bound") is None
    assert of(busy(1.4, 1.5, 1.4), "cpu-bound") is None, "it can use more cores than one, and there are two"


def test_a_full_machine_is_no_fault_of_the_service() -> None:
    both = sampled(busy(0.98, 0.99, 0.97), "chaosrun", [0.1] * 12 + [1.0] * 3 + [0.1] * 23)
    told = of(both, "cpu-bound")
    assert told is not None
    assert told.evidence.endswith("; with the load and all other roles 1.98 of 2 cores")
    assert "run the load elsewhere" in told.action


def holding(memory: list[int]) -> History:
    return sampled(crashed().history(), "server", [0.1] * len(memory), memory)


def test_memory_that_grows_to_the_end_is_told_with_its_pace() -> None:
    told = of(holding([(50 + 2 * i) * MB for i in range(38)]), "memory-grows")
    assert told is not None
    assert told.evidence == (
        "58 MB, 76 MB, 94 MB, 112 MB in the four quarters of 37 s (median of a sample a second): 117 MB a minute"
    )
    assert of(holding([(50 + 2 * min(i, 20)) * MB for i in range(38)]), "memory-grows") is None, "it levels off"
    assert of(holding([50 * MB + 100_000 * i for i in range(38)]), "memory-grows") is None, "so little may be anything"


def test_memory_that_the_fault_left_behind_is_told() -> None:
    left = holding([60 * MB] * 11 + [130 * MB] * 28)
    told = of(left, "memory-kept")
    assert told is not None
    assert told.title == "server keeps 70 MB more memory than before the fault"
    assert of(holding([60 * MB] * 11 + [130 * MB] * 20 + [62 * MB] * 8), "memory-kept") is None
    anew = replace(left, resources=[line for line in left.resources if not 13 < line.t / 1e9 < 16])
    assert of(anew, "memory-kept") is None, "another process"
