"""Taking faults away again: last in, first out, each with its retries and its time, none skipped for another's failure.

What is to be undone is data (`records.Undo`); who can undo it is the fault's own module, found by its name.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from importlib import import_module
from typing import NamedTuple, TypeVar, cast

from tenacity import RetryError, Retrying, stop_after_attempt, wait_exponential

from chaosrun import registry
from chaosrun.faults._base import Undoer
from chaosrun.records import Intent, Undo, Undone

_ATTEMPTS = 4
S = 1_000_000_000

T = TypeVar("T")


class UndoOutcome(NamedTuple):
    """`done`: it ran without an error; `verified`: its effect was read back."""

    done: bool
    verified: bool
    error: str = ""

    @property
    def clean(self) -> bool:
        return self.done and self.verified


def undoer(kind: str) -> Undoer:
    """The module of a fault, of ours or of another package, for its `undo` and `verify`.

    Raises:
        UsageError: there is none of that name any more.
    """
    return cast(Undoer, registry.load("faults", kind))


def preload(kind: str) -> None:
    """Import now what an undo of this kind would import when it runs.

    Raises:
        UsageError: there is none of that name.
        ImportError: what it needs is not installed.
    """
    for name in getattr(undoer(kind), "NEEDED_BY_UNDO", ()):
        import_module(name)


def take_away(record: Undo) -> UndoOutcome:
    """Undo one fault and read its state back, again and again until it is verified, or the attempts or the time that
    the record allows are used up."""
    try:
        return bounded(lambda: _try_to_take_away(record), record.deadline_ns / S)
    except TimeoutError:
        return UndoOutcome(False, False, f"not undone within {record.deadline_ns / S:g} s: {record.what}")


def holds(record: Undo) -> bool:
    """Whether a fault that was undone is still so. False where that cannot be told."""
    try:
        return bounded(lambda: undoer(record.kind).verify(record), record.deadline_ns / S)
    except Exception:  # whoever cannot look undoes it once more, and tells why that fails
        return False


def still_open(intents: Iterable[Intent], undone: Iterable[Undone]) -> list[Undo]:
    """The records that no clean undo has closed, the last one first.

    A fault may be injected again after it was undone: what came before its newest intent closes nothing.
    """
    closed: dict[str, int] = {}
    for line in undone:
        if line.done and line.verified:
            closed[line.id] = max(line.t, closed.get(line.id, line.t))
    newest = {intent.undo.id: intent for intent in sorted(intents, key=_time)}
    left = [intent for intent in newest.values() if closed.get(intent.undo.id, intent.t - 1) < intent.t]
    return [intent.undo for intent in sorted(left, key=_time)[::-1]]


def take_all_away(records: Iterable[Undo], note: Callable[[Undo, UndoOutcome], None]) -> bool:
    """Undo all, in the order given; `note` is told of each. True: everything is as it was."""
    clean = True
    for record in records:
        outcome = take_away(record)
        note(record, outcome)
        clean &= outcome.clean
    return clean


def bounded(call: Callable[[], T], within_s: float) -> T:
    """What `call` returns or raises.

    It has a thread of its own. One that hangs is left behind: nothing can end it, and it keeps nobody waiting, not even
    the end of the process.

    Raises:
        TimeoutError: it has done neither within `within_s`.
    """
    answer: Future[T] = Future()

    def do() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # it is raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(do,), name="undo", daemon=True).start()
    return answer.result(within_s)


def _time(intent: Intent) -> int:
    return intent.t


def _try_to_take_away(record: Undo) -> UndoOutcome:
    done = False
    try:
        for attempt in Retrying(stop=stop_after_attempt(_ATTEMPTS), wait=wait_exponential(multiplier=0.05, max=1)):
            with attempt:
                module = undoer(record.kind)
                module.undo(record)
                done = True
                if not module.verify(record):
                    raise RuntimeError(f"not so after the undo: {record.what}")
    except RetryError as error:
        return UndoOutcome(done, False, str(error.last_attempt.exception()))
    return UndoOutcome(True, True)
