"""Hand-made changes of the pure core, one at a time: `make mutation-hand`, or `tests/mutation/by_hand.py windows`.

The lists `by_hand_*.txt` hold them; each must make a test fail, or say why nothing can notice it. What was found is in
docs/mutation.md. A list has sections, `[module: test files]`, whose lines are changes of `chaosrun/scoring/module.py`:

    old => new
    old =2/3> new               the second of three places; \\n is the end of a line
    old => new  ## reason       nothing can notice it, for this reason; that a test does fail is reported too

A change whose old text is not found as often as said is an error, so that the lists cannot go stale in silence.

No file is changed. The tests are collected once; for each change a child is forked, in which the changed source gives
the functions of the module new code. So a change must lie within a function.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType, FunctionType

import pytest
import quick

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORE = Path("chaosrun/scoring")
TESTS = Path("tests/scoring")
LINE = re.compile(r"(?P<old>.+?) =(?:(?P<nth>\d+)/(?P<of>\d+))?> (?P<new>.*?)(?:  ## (?P<reason>.+))?")
FORK = multiprocessing.get_context("fork")
TOO_LATE = "not done in time"
OUTCOMES = ("killed", "survived", "timeout", "no different", "killed after all")


class StaleError(Exception):
    """A line of a list does not fit the code any more."""


@dataclass(frozen=True)
class Change:
    """One change of one module; `reason`: why no test can notice it, empty if one must."""

    where: str
    module: str
    tests: tuple[str, ...]
    before: str
    after: str
    line: str
    reason: str

    @classmethod
    def parse(cls, where: str, module: str, tests: tuple[str, ...], line: str) -> Change:
        """Raises StaleError for a line that has no form, or whose old text is not where it should be."""
        found = LINE.fullmatch(line)
        if found is None:
            raise StaleError(f"{where}: not 'old => new': {line}")
        old, new = (found[side].replace(r"\n", "\n") for side in ("old", "new"))
        of = int(found["of"] or 1)
        before = (ROOT / CORE / f"{module}.py").read_text()
        pieces = before.split(old)
        if len(pieces) - 1 != of:
            raise StaleError(f"{where}: {len(pieces) - 1} times in {module}.py instead of {of}: {found['old']}")
        nth = int(found["nth"] or 1)
        after = new.join((old.join(pieces[:nth]), old.join(pieces[nth:])))
        try:
            same = codes_in(compile(before, module, "exec")) == codes_in(compile(after, module, "exec"))
        except SyntaxError as error:
            raise StaleError(f"{where}: no Python any more: {line}") from error
        if same:
            raise StaleError(f"{where}: no function is changed: {line}")
        return cls(where, module, tests, before, after, line, found["reason"] or "")


def main() -> int:
    asked = arguments()
    changes, stale = read_lists()
    if stale:
        print(*stale, sep="\n", file=sys.stderr)
        return 2
    changes = [each for each in changes if not asked.some or {each.module, each.where} & set(asked.some)]
    if asked.check:
        print(f"{len(changes)} changes fit the code")
        return 0
    trial = Trial(changes, asked.processes, asked.seconds)
    files = sorted({str(ROOT / TESTS / f"test_{name}.py") for change in changes for name in change.tests})
    pytest.main([*files, "-qq", "-s", "-p", "no:cacheprovider", "-n", "0"], plugins=[quick, trial])
    return report(trial.found) if len(trial.found) == len(changes) else 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("some", nargs="*", help="modules without .py, or lines (by_hand_ledger.txt:7); none: all")
    parser.add_argument("--check", action="store_true", help="only see whether the lists fit the code")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="that the tests of one change may take")
    return parser.parse_args()


def read_lists() -> tuple[list[Change], list[StaleError]]:
    """All changes, and what does not fit the code any more."""
    changes: list[Change] = []
    stale: list[StaleError] = []
    for file in sorted(HERE.glob("by_hand_*.txt")):
        module, tests = "", ()
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if head := re.fullmatch(r"\[(\w+): (.+)\]", line):
                module, tests = head[1], tuple(head[2].split())
            elif line.strip() and not line.startswith("#"):
                try:
                    changes.append(Change.parse(f"{file.name}:{number}", module, tests, line))
                except StaleError as error:
                    stale.append(error)
    return changes, stale


# ---- trying them ----------------------------------------------------------------------------------------------------


@dataclass
class Child:
    """A process that does one thing and tells what came of it."""

    process: ForkProcess
    told: Connection

    @classmethod
    def start(cls, work: Callable[[], str]) -> Child:
        told, tell = FORK.Pipe(duplex=False)
        process = FORK.Process(target=in_child, args=(tell, work))
        process.start()
        tell.close()
        return cls(process, told)

    def end(self) -> str:
        """What it told, if it did so by now; whatever it had started ends with it."""
        try:
            return str(self.told.recv()) if self.told.poll() else TOO_LATE
        except EOFError:
            return "the process died"
        finally:
            if self.process.exitcode is None and self.process.pid is not None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()
            self.told.close()


def in_child(tell: Connection, work: Callable[[], str]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    tell.send(work())


class Trial:
    """Tries the changes in place of pytest's own loop over the tests."""

    def __init__(self, changes: Sequence[Change], processes: int, seconds: float) -> None:
        self.changes, self.processes, self.seconds = changes, processes, seconds
        self.found: list[tuple[Change, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Raises pytest.UsageError if a test fails without a change: then it would kill everything."""
        unchanged = Child.start(lambda: first_failure(session.items))
        unchanged.told.poll(None)
        if failed := unchanged.end():
            raise pytest.UsageError(f"fails without any change: {failed}")
        waiting = list(reversed(self.changes))
        running: dict[Connection, tuple[Child, Change, float]] = {}
        while waiting or running:
            while waiting and len(running) < self.processes:
                change = waiting.pop()
                items = [item for item in session.items if item.path.stem.removeprefix("test_") in change.tests]
                items.sort(key=lambda item: change.tests.index(item.path.stem.removeprefix("test_")))
                child = Child.start(lambda change=change, items=items: apply(change) or first_failure(items))
                running[child.told] = child, change, time.monotonic() + self.seconds
            wait(list(running), timeout=0.5)
            for told, (child, change, deadline) in list(running.items()):
                if told.poll() or time.monotonic() > deadline:
                    del running[told]
                    self.note(change, child.end())
        return True

    def note(self, change: Change, failed: str) -> None:
        if change.reason:
            outcome = "killed after all" if failed else "no different"
        else:
            outcome = "timeout" if failed == TOO_LATE else "killed" if failed else "survived"
        self.found.append((change, outcome))
        print(f"{outcome:8} {change.where} {change.module}: {change.line}\n{'':8} {failed}", flush=True)


def first_failure(items: Sequence[pytest.Item]) -> str:
    """The name of the first of the tests that fails; empty if all pass."""
    for item in items:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        if item.session.testsfailed:
            return item.nodeid
    return ""


def apply(change: Change) -> None:
    """Give the functions of the imported module the code of the changed source."""
    file = str(ROOT / CORE / f"{change.module}.py")
    codes = codes_in(compile(change.after, file, "exec"))
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == file:
            function.__code__ = codes.get(function.__code__.co_qualname, function.__code__)


def codes_in(code: CodeType) -> dict[str, CodeType]:
    """The code of all functions and methods by qualified name, without those within functions."""
    found = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            is_function = each.co_flags & inspect.CO_OPTIMIZED
            found |= {each.co_qualname: each} if is_function else codes_in(each)
    return found


def report(found: Sequence[tuple[Change, str]]) -> int:
    """Print the table; 1 if a change survived that a test should have noticed, or the other way round."""
    print(f"\n| module | changes | {' | '.join(OUTCOMES)} |\n|---|{'--:|' * (len(OUTCOMES) + 1)}")
    for module in (*dict.fromkeys(change.module for change, _ in found), "all"):
        counts = Counter(outcome for change, outcome in found if module in (change.module, "all"))
        print(f"| `{module}` | {counts.total()} | {' | '.join(str(counts[name]) for name in OUTCOMES)} |")
    wrong = [change for change, outcome in found if outcome in ("survived", "killed after all")]
    for change in wrong:
        print(f"{change.where} {change.module}: {change.line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
