"""`latency.hlog`: read back by HdrHistogram's own log reader, every latency of the result is in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from scored_run import scored_run

from chaosrun.reports import hdr
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._hdr_encoding import DIGITS


@pytest.fixture
def run(tmp_path: Path) -> ScoredRun:
    return scored_run(tmp_path)


def read(run: ScoredRun, path: Path) -> list[HdrHistogram]:
    path.write_bytes(hdr.render(run)["latency.hlog"])
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000_000, DIGITS))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(histogram)
    reader.close()
    return found


def merged(histograms: list[HdrHistogram], tag: str) -> HdrHistogram:
    whole = HdrHistogram(1, 3_600_000_000_000, DIGITS)
    for histogram in histograms:
        if histogram.get_tag() == tag:
            whole.add(histogram)
    return whole


def test_each_group_has_both_kinds_with_as_many_values_as_the_result(run: ScoredRun, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for histogram in read(run, tmp_path / "log"):
        counts[histogram.get_tag()] += histogram.total_count
    latency = run.result.latency_ms
    assert counts == {
        "users:response": latency.response["all"].count,
        "users:service": latency.service["all"].count,
    }


def test_the_quantiles_of_the_whole_are_those_of_the_result(run: ScoredRun, tmp_path: Path) -> None:
    histograms = read(run, tmp_path / "log")
    for kind, told in (("response", run.result.latency_ms.response), ("service", run.result.latency_ms.service)):
        whole, quantiles = merged(histograms, f"users:{kind}"), told["all"]
        assert quantiles.max is not None
        assert quantiles.p50 is not None
        assert whole.get_max_value() / 1e6 == pytest.approx(quantiles.max, rel=0.001)
        assert whole.get_value_at_percentile(50) / 1e6 == pytest.approx(quantiles.p50, rel=0.005)


def test_every_interval_is_a_second_of_the_run_in_order(run: ScoredRun, tmp_path: Path) -> None:
    histograms = read(run, tmp_path / "log")
    starts = [histogram.get_start_time_stamp() for histogram in histograms]
    assert starts == sorted(starts)
    for histogram in histograms:
        assert histogram.get_end_time_stamp() - histogram.get_start_time_stamp() == pytest.approx(1000)
        assert histogram.get_start_time_stamp() >= run.began.wall_offset_ns / 1e6


def test_what_waits_of_users_only_the_corrected_values_have(run: ScoredRun, tmp_path: Path) -> None:
    histograms = read(run, tmp_path / "log")
    corrected, uncorrected = (merged(histograms, f"users:{kind}") for kind in ("response", "service"))
    assert corrected.total_count > uncorrected.total_count
    assert corrected.get_max_value() > uncorrected.get_max_value()


def test_the_maximum_of_a_line_is_in_milliseconds(run: ScoredRun, tmp_path: Path) -> None:
    lines = hdr.render(run)["latency.hlog"].decode().splitlines()
    told = [float(line.split(",")[3]) for line in lines if line.startswith("Tag=users:response")]
    assert max(told) == pytest.approx(run.result.latency_ms.response["all"].max, abs=0.001)


@pytest.mark.parametrize("name", ["a,b", "a b", "a\nTag=x", "#[StartTime: 1 (", "\u2028x"])
def test_no_name_breaks_a_line(name: str) -> None:
    assert not set(hdr.tag(name, "response")) & set(", \n\r\t\u2028")


def test_the_same_run_gives_the_same_bytes(run: ScoredRun) -> None:
    assert hdr.render(run) == hdr.render(run)
