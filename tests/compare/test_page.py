"""The page of a comparison: what it says, that no text gets out of its place, and what it draws."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from math import inf

from kept import RELEASE_2, result
from msgspec.structs import replace

from chaosrun.reports._compare_page import OneSide, Shown, render_page, representative
from chaosrun.reports._compare_plots import curve_of, dots, returns
from chaosrun.scoring.comparable import SHOWN, subjects
from chaosrun.scoring.comparison import Run, compare
from chaosrun.scoring.contrast import Contrast, Sample
from chaosrun.scoring.result import Back, RecoveryReport, Result

HOSTILE = "</style><script>alert(1)</script>\x1b[31m\u202e"


def runs(times: Sequence[float | None], side: str) -> list[Run]:
    return [Run(f"{side}/run-{n}", result(ttr, RELEASE_2)) for n, ttr in enumerate(times, 1)]


def page(a: Sequence[float | None], b: Sequence[float | None], title: str = "Users are served") -> str:
    runs_a, runs_b = runs(a, "v1"), runs(b, "v2")
    also = [subject for name in SHOWN for subject in subjects(name, list(runs_a[0].result.groups))]
    found = compare(runs_a, runs_b, decide=subjects("ttr", []), also=also)
    sides = [
        OneSide(letter, named, side, [run.result for run in of], Shown(representative(of), None))
        for letter, named, side, of in (("A", "v1", found.a, runs_a), ("B", title, found.b, runs_b))
    ]
    return render_page(found, title, *sides).decode()


def test_it_says_what_the_summary_says() -> None:
    text = page([2.01, 2.12, 2.2], [4.03, 4.11, 4.44])
    assert "<title>regression: Users are served</title>" in text
    assert "2.12 s [2.01, 2.2]" in text
    assert "4.11 s [4.03, 4.44]" in text
    assert "v2/run-2, in the middle by time to recover" in text


def test_it_is_the_same_each_time_and_fetches_and_runs_nothing() -> None:
    text = page([2.0], [4.0])
    assert page([2.0], [4.0]) == text
    assert "default-src 'none'; style-src 'sha256-" in unescape(text)
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=|url\(|@import|https?:", text)
    assert " style=" not in text


def test_text_of_others_stays_text() -> None:
    text = page([2.0], [4.0], HOSTILE)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;/style&gt;&lt;script&gt;alert(1)" in text


def test_the_run_in_the_middle_stands_for_a_side_and_one_that_never_recovered_is_the_slowest() -> None:
    assert representative(runs([3.0, 1.0, 2.0], "a")).name == "a/run-3"
    assert representative(runs([3.0, 1.0], "a")).name == "a/run-1"
    assert representative(runs([3.0, None, None], "a")).result.recovery.ttr_s is None


def test_every_run_has_a_dot_and_what_never_ended_a_cross() -> None:
    sample = Sample(values=(1.0, 2.0, inf), median=2.0, low=1.0, high=inf)
    drawn = dots(Contrast(name="ttr", unit="s", decides=True, a=sample, b=Sample(values=())))
    assert drawn.count("<circle") == 2
    assert drawn.count("✕") == 1
    assert 'aria-label="A: 1 s, 2 s, never; B: no value"' in drawn


def test_a_number_that_is_always_zero_is_drawn_at_the_left() -> None:
    sample = Sample(values=(0.0, 0.0), median=0.0, low=0.0, high=0.0)
    drawn = dots(Contrast(name="lost", unit="count", decides=False, a=sample, b=sample))
    assert drawn.count('cx="4.00%"') == 4


def came_back(back: Back, affected: int | None) -> Result:
    fields = {name: getattr(result(2.0).recovery, name) for name in RecoveryReport.__struct_fields__}
    return replace(result(2.0), recovery=RecoveryReport(**fields | {"back_s": back, "affected_clients": affected}))


def test_the_curve_goes_through_what_the_result_tells() -> None:
    back = Back(first=1.0, p50=2.0, p90=3.0, p99=4.0, all=5.0)
    points = [(1.0, 0.0), (1.0, 0.1), (2.0, 0.5), (3.0, 0.9), (4.0, 0.99), (5.0, 1.0)]
    assert curve_of(came_back(back, 10)) == points


def test_clients_that_never_came_back_leave_the_curve_below_the_top() -> None:
    assert curve_of(came_back(Back(first=1.0, p50=2.0, never=4), 10))[-1] == (2.0, 0.5)
    assert curve_of(came_back(Back(never=4), 4)) == ()
    assert curve_of(came_back(Back(), 0)) == ()


def test_one_client_alone_is_back_at_once() -> None:
    back = Back(first=1.0, p50=1.0, p90=1.0, p99=1.0, all=1.0)
    assert curve_of(came_back(back, 1)) == [(1.0, 0.0), (1.0, 1.0)]


def test_runs_without_anybody_to_come_back_draw_nothing() -> None:
    assert returns([came_back(Back(), 0)], []) == ""
