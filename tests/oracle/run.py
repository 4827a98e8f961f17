"""All oracles in full size, or some: `run.py [ROW ...] [--small] [--minutes N] [--seed N] [--keep FOLDER]`.

A table of every row and quantity: how many readings, the median and the worst error, the bound, how many the runs
flagged themselves, and how many are out of bounds without being flagged: one of those, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from oracle_row import ROWS, Reading, find_row
from oracle_table import table


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="oracle-")) if options.keep is None else Path(options.keep)
    began = time.monotonic()
    wrong: list[Reading] = []
    for name in options.rows or ROWS:
        if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
            print(f"\n{name}: not read, {options.minutes:g} minutes are over")
            continue
        row = find_row(name)
        row_began = time.monotonic()
        scratch = folder / name
        scratch.mkdir(parents=True)
        try:
            readings = list(row.run("small" if options.small else "full", options.seed, scratch))
        except Exception:  # one row that breaks must not hide what the others have to say
            traceback.print_exc()
            wrong.append(Reading(f"{name} broke", inf, 0, "", note=str(scratch)))
            continue
        print(f"\n{row.NAME}: {row.ACCEPTS}  ({time.monotonic() - row_began:.0f} s)")
        for line in table(readings):
            print(line)
        sys.stdout.flush()
        out = [reading for reading in readings if reading.is_out]
        wrong += out
        if options.keep is None and not out:
            shutil.rmtree(scratch)
    for reading in wrong:
        print(f"OUT OF BOUNDS  {reading}")
    if wrong:
        print(f"the runs are in {folder}")
    elif options.keep is None:
        shutil.rmtree(folder)
    print(f"\n{len(wrong)} readings out of bounds; {(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {' '.join(ROWS)}")
    parser.add_argument("--small", action="store_true", help="as the tests run them")
    parser.add_argument("--minutes", type=float, help="begin no row after that long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="keep the runs in this folder; otherwise only those that are out of bounds")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are: {' '.join(ROWS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
