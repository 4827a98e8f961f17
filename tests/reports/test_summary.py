"""`summary.md`: short enough for GitHub, what did not hold first, and text of others that stays text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hand_built import ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED, UNSOUND
from hostile import EVIL, hostile
from msgspec.structs import replace

from chaosrun.reports._markdown import plain
from chaosrun.reports.summary import LIMIT, markdown

GOLDEN = Path(__file__).parent / "golden"
RESULTS = {
    "passed": PASSED,
    "failed": FAILED,
    "never-recovered": NEVER_RECOVERED,
    "inconclusive": INCONCLUSIVE,
    "dirty": DIRTY,
    "unsound": UNSOUND,
    "absorbed": ABSORBED,
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_summary_reads_as_it_was_approved(name: str) -> None:
    """`CHAOSRUN_APPROVE=1 pytest tests/reports` writes the texts anew; read the difference before committing it."""
    text = markdown(RESULTS[name]).decode()
    golden = GOLDEN / f"summary-{name}.md"
    if os.environ.get("CHAOSRUN_APPROVE"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_what_did_not_hold_stands_above_what_did() -> None:
    rows = [line for line in markdown(FAILED).decode().splitlines() if line.startswith(("| ✅", "| ❌", "| ❔"))]
    assert [row[2] for row in rows] == ["❌"] * 2 + ["✅"] * 5


def test_a_result_of_a_thousand_criteria_fits_and_keeps_what_is_broken() -> None:
    many = [replace(FAILED.criteria[0], name=f"held {n} {'x' * 300}") for n in range(1000)]
    text = markdown(replace(FAILED, criteria=[*many, *FAILED.criteria], reasons=["why " * 400] * 500))
    assert len(text) <= LIMIT
    assert "requests.lost_connected" in text.decode()
    assert "more, all of them in `result.json`" in text.decode()


def test_however_long_its_texts_are_it_fits() -> None:
    assert len(markdown(hostile("@<|" * 5000))) <= LIMIT


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    width = None
    for line in markdown(hostile()).decode().splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = line.count("|")
        width = width or cells
        assert cells == width, line


def test_text_of_others_is_no_markup_and_calls_nobody() -> None:
    text = markdown(hostile()).decode()
    assert "<script" not in text
    assert "@everyone" not in text
    assert "[link](" not in text
    assert "http://" not in text
    assert "#1 " not in text
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("::")]


def test_plain_text_reads_as_it_was_written() -> None:
    for text in ("response_p99 of accounts", "requests.lost_connected: 41 of 14,361", "2.25 s ± 12.3 ms"):
        assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a|b", "a&#124;b"),
        ("@team", "&#64;&#8203;team"),
        ("see #12", "see &#35;&#8203;12"),
        ("_x_ a_b", r"\_x\_ a_b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("http://x", "http&#58;//x"),
        ("www.x", "www&#46;x"),
        ("a\nb", "a b"),
        ("`x` *y* [z]", r"\`x\` \*y\* \[z\]"),
    ],
)
def test_a_sign_that_would_be_markup_is_escaped(text: str, told: str) -> None:
    assert plain(text) == told


def test_the_same_result_gives_the_same_bytes() -> None:
    assert markdown(hostile()) == markdown(hostile())
    assert EVIL.encode("utf-8", "replace") not in markdown(hostile())
