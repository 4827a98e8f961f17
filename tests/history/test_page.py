"""The page of a history: what it says, that no text gets out of its place, and what it draws."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

from past import STEADY, keep_days

from chaosrun.history.index import read_runs
from chaosrun.history.trends import history
from chaosrun.reports._history import spark
from chaosrun.reports._history_page import render_page

HOSTILE = "</style><script>alert(1)</script>\x1b[31m\u202e"


def page(folder: Path) -> str:
    return render_page(history(read_runs(folder)), lambda place: f"{place}/report.html").decode()


def test_a_regression_is_told_in_words_with_its_numbers_and_marked_in_the_plot(tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, 3.0, 3.1, 3.05])
    text = page(tmp_path)
    assert "<title>1 regression: history</title>" in text
    assert "1 of 1 got worse" in text
    assert "Regression since run-009: the newest 3 (3 s, 3.1 s, 3.05 s)" in text
    assert text.count('class="dot slow"') == 3
    assert text.count('class="worse" ') + text.count('class="worse">') >= 1


def test_an_unchanged_history_has_no_mark_of_a_regression(tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, 2.0, 2.1, 2.05])
    text = page(tmp_path)
    assert "Nothing got worse" in text
    assert "<title>nothing got worse: history</title>" in text
    assert 'class="dot slow"' not in text
    assert "Regression since" not in text
    assert text.count('class="dot"') == 12


def test_what_nobody_can_tell_yet_is_no_clean_bill(tmp_path: Path) -> None:
    keep_days(tmp_path, STEADY[:4])
    text = page(tmp_path)
    assert "Cannot tell yet of 1 of 1" in text
    assert "Nothing got worse" not in text
    assert "badge is-inconclusive" in text


def test_every_run_is_marked_by_its_verdict_and_links_to_its_report(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0, None])
    keep_days(tmp_path, [2.4], verdict="failed")
    text = page(tmp_path)
    assert text.count("✕</text>") == 2
    assert text.count('<a href="run-000/report.html">') == 2
    assert "run-001\n2026-03-02 04:00, passed: never" in text


def test_it_is_the_same_each_time_and_fetches_and_runs_nothing(tmp_path: Path) -> None:
    keep_days(tmp_path, STEADY)
    text = page(tmp_path)
    assert page(tmp_path) == text
    assert "default-src 'none'; style-src 'sha256-" in unescape(text)
    assert "<script" not in text
    assert not re.search(r"src=|url\(|@import|https?:", text)
    assert " style=" not in text


def test_text_of_others_stays_text(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0], title=HOSTILE)
    (tmp_path / "<script>").mkdir()
    (tmp_path / "<script>" / "result.json").write_text("{}")
    text = page(tmp_path)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_is_not_in_it_is_said(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "result.json").write_text("{")
    assert "What is not in it" in page(tmp_path)
    shutil.rmtree(tmp_path / "run-000")
    assert "No run can be read" in page(tmp_path)


def test_a_spark_has_a_bar_for_each_value() -> None:
    assert spark([0.0, 1.0, 2.0, float("inf"), None]) == "▁▅█✕·"
    assert spark([0.0, 0.0]) == "▁▁"
    assert spark([]) == ""
