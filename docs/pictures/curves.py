"""Draws the picture of coordinated_omission.py: percentile curves on a logarithmic axis, one panel a run."""

from __future__ import annotations

from math import log10
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import BoxStyle, FancyBboxPatch
from words import duration

if TYPE_CHECKING:
    from coordinated_omission import Kept, Measured, Series

INK, QUIET, PAPER, GRID = "#1b2330", "#5b6675", "#fbfaf7", "#dfdcd3"
CORRECTED, UNCORRECTED, LOCUST = "#0b5fc2", "#d9730d", "#7a3fa0"
TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999)

# Text as paths looks the same everywhere; a salt and no date make the same bytes of the same numbers.
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "coordinated omission",
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


def place(quantile: float) -> float:
    """On the axis: 0 is the median's half, and each step of 1 has a tenth of the requests beyond it."""
    return -log10(1 - quantile)


def draw(kept: Kept, file: Path) -> None:
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(11, 5.6), sharey=True)
        figure.patch.set_alpha(0)
        figure.add_artist(_card(figure.get_figwidth() / figure.get_figheight()))
        figure.subplots_adjust(left=0.065, right=0.975, top=0.75, bottom=0.13, wspace=0.07)
        figure.text(0.02, 0.94, "How long did users wait?", fontsize=17, fontweight="bold")
        figure.text(
            0.02,
            0.885,
            f"{kept.freeze.corrected.count:,} requests of 50 clients in two minutes, and one stall of 6 s. "
            "The same stall, measured three ways.",
            fontsize=10.5,
            color=QUIET,
        )
        _panel(
            panels[0], kept.freeze, "Frozen", "SIGSTOP: connections stay open, and what was asked is answered at last"
        )
        _panel(panels[1], kept.crash, "Crashed", "SIGKILL, started again after 6 s: meanwhile nothing can be asked")
        panels[0].set_ylabel("seconds")
        panels[0].set_ylim(0, 1.06 * max(kept.freeze.corrected.max, kept.crash.corrected.max) / 1000)
        _label_freeze(panels[0], kept.freeze)
        _label_crash(panels[1], kept.crash)
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")


def _card(aspect: float) -> FancyBboxPatch:
    """The paper that all is drawn on: light, so that it can be read on a dark page, too."""
    style = BoxStyle("Round", pad=0, rounding_size=0.02)
    return FancyBboxPatch((0, 0), 1, 1, boxstyle=style, mutation_aspect=aspect, facecolor=PAPER, linewidth=0, zorder=-1)


def _panel(axes: Axes, measured: Measured, title: str, what: str) -> None:
    axes.set_facecolor(PAPER)
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=24)
    axes.text(0, 1.025, what, transform=axes.transAxes, fontsize=8.8, color=QUIET)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9)
    axes.set_xlim(place(0.5) - 0.05, place(0.99995))
    axes.set_xticks([place(q) for q in TICKS], [f"{100 * q:.10g}%" for q in TICKS])
    axes.set_xlabel("of all requests took no longer", fontsize=9.5)
    axes.axvline(place(0.99), color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    corrected, locust = _points(measured.corrected), _points(measured.locust)
    axes.fill_between(*corrected, color=CORRECTED, alpha=0.07, linewidth=0)
    axes.plot(*locust, color=LOCUST, linewidth=2)
    axes.plot(*corrected, color=CORRECTED, linewidth=3.2, solid_capstyle="round")
    axes.plot(*_points(measured.uncorrected), color=UNCORRECTED, linewidth=1.8, linestyle=(0, (4, 2.5)))
    for series, colour in ((measured.corrected, CORRECTED), (measured.locust, LOCUST)):
        axes.plot(place(0.99), series.p99 / 1000, "o", color=colour, markersize=6.5, markeredgecolor=PAPER)


def _points(series: Series) -> tuple[list[float], list[float]]:
    return [place(q) for q, _ in series.curve if q < 1], [ms / 1000 for q, ms in series.curve if q < 1]


def _label_freeze(axes: Axes, measured: Measured) -> None:
    asked, sent = measured.corrected.over_1s, measured.locust.over_1s
    _say(axes, 0.36, 6.6, (CORRECTED, "chaosrun, corrected"), (UNCORRECTED, "and uncorrected"))
    _say(axes, 0.36, 5.84, (CORRECTED, _p99(measured.corrected)), bold=False)
    _say(axes, 2.62, 2.9, (LOCUST, "Locust"))
    _say(axes, 2.62, 2.52, (LOCUST, _p99(measured.locust)), bold=False)
    waits = ((QUIET, f"{asked:,} waits of over a second;"), (QUIET, f"Locust saw {sent:,} of them"))
    _say(axes, 2.62, 1.9, *waits, size=8.8, bold=False)


def _label_crash(axes: Axes, measured: Measured) -> None:
    _say(axes, 0.36, 6.6, (CORRECTED, "chaosrun, corrected"))
    _say(axes, 0.36, 6.22, (CORRECTED, _p99(measured.corrected)), bold=False)
    _say(axes, 2.25, 2.2, (LOCUST, "Locust"))
    _say(axes, 2.25, 1.82, (LOCUST, f"{_p99(measured.locust)}, and {measured.locust.failures:,} failures"), bold=False)
    _say(axes, 2.25, 1.2, (UNCORRECTED, "chaosrun, uncorrected"))
    _say(axes, 2.25, 0.82, (UNCORRECTED, _p99(measured.uncorrected)), bold=False)


def _say(axes: Axes, x: float, y: float, *lines: tuple[str, str], size: float = 10.5, bold: bool = True) -> None:
    """Lines of a colour each, the first at `y`."""
    for i, (colour, text) in enumerate(lines):
        weight = "bold" if bold else "normal"
        axes.text(x, y - 0.38 * i, text, color=colour, fontsize=size, fontweight=weight, va="center")


def _p99(series: Series) -> str:
    return f"p99 {duration(series.p99)}"
