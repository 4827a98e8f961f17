"""One mutation pass over the pure core: `make mutation`, or `python tests/mutation/run.py intervals verdict`.

mutmut changes one thing at a time in a copy of `chaosrun/scoring/`, and the tests of scoring and metrics must notice.
What was found by it, and how each survivor was judged, is in docs/mutation.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from opened import opened

ROOT = Path(__file__).resolve().parents[2]
CORE = Path("chaosrun/scoring")
BESIDE = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
CONFIG = """\
[mutmut]
source_paths = chaosrun
only_mutate =
    {files}
pytest_add_cli_args_test_selection =
    tests/scoring
    tests/metrics
pytest_add_cli_args =
    -p
    no:cacheprovider
also_copy = conftest.py
use_git_change_detection = false
timeout_multiplier = 2
timeout_constant = 5
"""
COLUMNS = ("killed", "survived", "timeout", "no tests", "not checked")


def main() -> int:
    asked = arguments()
    work = asked.keep or Path(tempfile.mkdtemp(prefix="chaosrun-mutation-"))
    if not (work / CORE).exists():
        copy_project(work)
    os.chdir(work)  # mutmut reads its configuration and writes its results where it stands
    wanted = [f"{CORE}/{name}.py" for name in asked.files or ["*"]]
    Path("setup.cfg").write_text(CONFIG.format(files="\n    ".join(wanted)))  # to mutate all would take minutes
    files = sorted(CORE.glob("*.py") if not asked.files else (CORE / f"{name}.py" for name in asked.files))
    names = [name for file in files for name in chosen(file, asked.sample)]
    tried = {name for file in files for name, code in results(file).items() if code is not None}
    print(f"{len(names)} mutants of {len(files)} files in {work}", flush=True)
    if left := [name for name in names if name not in tried]:
        run(left, asked.minutes)
    survivors = report(files, set(names))
    Path("survivors.diff").write_text("".join(survivors))
    print(f"\n{len(survivors)} survivors: {work / 'survivors.diff'}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="modules of chaosrun/scoring without .py; none: all of them")
    parser.add_argument("--sample", type=int, help="so many mutants of each file, drawn with a fixed seed; else all")
    parser.add_argument("--minutes", type=float, default=90, help="stop after so long; the rest is 'not checked'")
    parser.add_argument("--keep", type=Path, help="work here; go on where an earlier run here stopped")
    return parser.parse_args()


def copy_project(work: Path) -> None:
    for folder in ("chaosrun", "tests/scoring", "tests/metrics"):
        shutil.copytree(ROOT / folder, work / folder, ignore=BESIDE, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", work)
    shutil.copy(Path(__file__).with_name("quick.py"), work / "conftest.py")
    for file in (work / CORE).glob("*.py"):
        file.write_text(opened(file.read_text()))


def chosen(file: Path, sample: int | None) -> list[str]:
    """The names of the file's mutants, or of some of them: always the same ones."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    mutants = mutate_file_contents(str(file), file.read_text()).mutant_names
    names = [f"{'.'.join(file.with_suffix('').parts)}.{name}" for name in mutants]
    if sample is None or len(names) <= sample:
        return names
    return sorted(random.Random(f"{file.stem}/1").sample(names, sample))


def results(file: Path) -> dict[str, int | None]:
    """The exit code of the tests by mutant; None: not tried yet."""
    from mutmut.mutation.data import SourceFileMutationData

    data = SourceFileMutationData(path=file)
    data.load()
    return dict(data.exit_code_by_key)


def run(names: list[str], minutes: float) -> None:
    """Try the mutants one after another, on one core, until all are tried or the time is up."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1", *names]
    with Path("mutmut.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as mutmut:
        try:
            mutmut.wait(minutes * 60)
        except subprocess.TimeoutExpired:
            mutmut.send_signal(signal.SIGINT)
            print("the time is up", flush=True)


def report(files: list[Path], names: set[str]) -> list[str]:
    """Print what became of the mutants of each file; the survivors as diffs."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code

    print(f"\n| file | mutants | {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) + 1)}")
    total: Counter[str] = Counter()
    survivors = []
    for file in files:
        found = {name: status_by_exit_code[code] for name, code in results(file).items() if name in names}
        counts = Counter(found.values())
        total += counts
        print(row(file.stem, counts))
        survivors += [
            f"# {name}: {what}\n{get_diff_for_mutant(name, path=file)}\n"
            for name, what in found.items()
            if what in ("survived", "no tests", "suspicious")
        ]
    print(row("all", total))
    return survivors


def row(name: str, counts: Counter[str]) -> str:
    cells = " | ".join(str(counts[column]) for column in COLUMNS)
    return f"| {name} | {counts.total()} | {cells} |"


if __name__ == "__main__":
    sys.exit(main())
