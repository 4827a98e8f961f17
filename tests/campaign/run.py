"""Kill chaosrun at many instants of its runs, and look at what it leaves: nothing, or the exit code is 1.

Each fault hits a system that chaosrun has not started, and that is looked at without chaosrun afterwards. Most kills
hit the runner; a tenth as many hit its guardian, after which the run must undo and give up by itself, and a tenth both,
after which `chaosrun recover` must leave nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
import stages
from kill_table import table
from lanes import KillsOfAFault, in_lanes
from netem_kills import KillsInAMachine


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    began = time.monotonic()
    until = None if options.minutes is None else began + 60 * options.minutes
    with ExitStack() as ends:
        faults = list(options.fault)
        skipped = []
        if "container_pause" in faults:
            try:
                ends.enter_context(stages.docker())
            except pytest.skip.Exception as why:
                faults.remove("container_pause")
                skipped.append(f"container_pause: {why}")
        jobs = [
            KillsInAMachine(options.kills, options.seed, folder / fault)
            if fault == "netem"
            else KillsOfAFault(stages.STAGES[fault], options.kills, options.seed, folder / fault, until)
            for fault in faults
        ]
        done = in_lanes(jobs, options.lanes)
    done.not_made += skipped
    for line in table(done.shots):
        print(line)
    for fault, what in done.hit.items():
        print(f"{fault}: {what}")
    wrong = [f"{shot.told()}  ({shot.folder})" for shot in done.left]
    for line in (*wrong, *done.not_made):
        print(line)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(done.shots)} kills, {len(wrong)} leftovers, {len(done.not_made)} not made; {minutes:.1f} minutes")
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong or done.not_made else 0


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    known = (*stages.FAULTS, "netem")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", action="append", choices=known, help="only this one; may be said again")
    parser.add_argument("--kills", type=int, default=200, help="of the runner, for each fault (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="another one kills at other instants")
    parser.add_argument("--minutes", type=float, help="begin no kill after that long")
    parser.add_argument("--lanes", type=int, default=2, help="faults at once (default: 2)")
    options = parser.parse_args(arguments)
    options.fault = options.fault or list(known)
    return options


if __name__ == "__main__":
    sys.exit(main())
