"""The numbers of coordinated_omission.json as they are quoted in docs/coordinated-omission.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordinated_omission import Kept, Measured, Series

BEGIN = "<!-- measured: written by docs/pictures/coordinated_omission.py -->"
END = "<!-- end of what was measured -->"


def duration(ms: float) -> str:
    """Three digits."""
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.3g} ms"


def with_numbers(page: str, kept: Kept) -> str:
    """The page, with what was measured between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_tables(kept)}\n{END}{after}"


def _tables(kept: Kept) -> str:
    of = kept.environment
    return "\n".join(
        (
            f"Measured with chaosrun {of['chaosrun']} and Locust {of['locust']} at once, on {of['cpus']} processors, "
            f"Python {of['python']}.",
            "",
            "| | times | p50 | p90 | p99 | p99.9 | max | above 1 s | without a reply |",
            "|---|---|---|---|---|---|---|---|---|",
            *_rows("frozen", kept.freeze),
            *_rows("crashed", kept.crash),
        )
    )


def _rows(name: str, measured: Measured) -> list[str]:
    series = (("chaosrun, corrected", measured.corrected), ("chaosrun, uncorrected", measured.uncorrected))
    return [_row(f"{name}: {how}", one) for how, one in (*series, ("Locust", measured.locust))]


def _row(name: str, series: Series) -> str:
    times = (series.p50, series.p90, series.p99, series.p999, series.max)
    cells = (f"{series.count:,}", *map(duration, times), f"{series.over_1s:,}", f"{series.failures:,}")
    return f"| {name} | {' | '.join(cells)} |"
