"""All oracles in full size, or some: `run.py [ROW ...] [--small] [--minutes N] [--seed N] [--keep FOLDER]`.

A table of every row and quantity: how many readings, the median and the worst error, the bound, how many the runs
flagged themselves, and how many are out of bounds without being flagged: one of those, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from oracle_row import ROWS, Reading, find_row

WIDTHS = (34, 7, 10, 10, 13, 7, 8, 5)
HEADER = ("quantity", "count", "median", "worst", "bound", "unit", "flagged", "out")


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="oracle-")) if options.keep is None else Path(options.keep)
    began = time.monotonic()
    wrong: list[Reading] = []
    cut = False
    for name in options.rows or ROWS:
        row = find_row(name)
        row_began = time.monotonic()
        readings: list[Reading] = []
        scratch = folder / name
        scratch.mkdir(parents=True)
        for reading in row.run("small" if options.small else "full", options.seed, scratch):
            readings.append(reading)
            if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
                cut = True
                break
        print(f"\n{row.NAME}: {row.ACCEPTS}  ({time.monotonic() - row_began:.0f} s)")
        for line in table(readings):
            print(line)
        sys.stdout.flush()
        out = [reading for reading in readings if reading.is_out]
        wrong += out
        if options.keep is None and not out:
            shutil.rmtree(scratch)
        if cut:
            print(f"\nstopped after {options.minutes:g} minutes; what follows was not read")
            break
    for reading in wrong:
        print(f"OUT OF BOUNDS  {reading}")
    if wrong:
        print(f"the runs are in {folder}")
    elif options.keep is None:
        shutil.rmtree(folder)
    print(f"\n{len(wrong)} readings out of bounds; {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if wrong or cut else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {' '.join(ROWS)}")
    parser.add_argument("--small", action="store_true", help="as the tests run them")
    parser.add_argument("--minutes", type=float, help="stop after the reading that ends this long after the beginning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="keep the runs in this folder; otherwise only those that are out of bounds")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are: {' '.join(ROWS)}")
    return options


def table(readings: Sequence[Reading]) -> Iterator[str]:
    yield _line(HEADER)
    by_what: dict[str, list[Reading]] = {}
    for reading in readings:
        by_what.setdefault(reading.what, []).append(reading)
    for what, own in by_what.items():
        errors = [reading.error for reading in own]
        yield _line(
            (
                what,
                len(own),
                f"{statistics.median(errors):.4g}",
                f"{max(errors):.4g}",
                _range([reading.bound for reading in own]),
                own[0].unit,
                sum(reading.flagged for reading in own),
                sum(reading.is_out for reading in own),
            )
        )


def _range(bounds: Sequence[float]) -> str:
    """Most bounds are the same for all; those by the lag of the load are not."""
    low, high = f"{min(bounds):.3g}", f"{max(bounds):.3g}"
    return low if low == high else f"{low}..{high}"


def _line(cells: Sequence[object]) -> str:
    first, *rest = (str(cell) for cell in cells)
    return f"  {first:<{WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(rest, WIDTHS[1:], strict=True))


if __name__ == "__main__":
    sys.exit(main())
