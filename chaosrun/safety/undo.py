"""Taking faults away again: last in, first out, each with its retries, none skipped because another failed.

What is to be undone is data (`records.Undo`); who can undo it is the fault's own module, found by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

from tenacity import RetryError, Retrying, stop_after_attempt, wait_exponential

from chaosrun import registry
from chaosrun.faults._base import Undoer
from chaosrun.records import Intent, Undo, Undone

_ATTEMPTS = 4


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


def take_away(record: Undo) -> UndoOutcome:
    """Undo one fault and read its state back, again and again until it is verified or the attempts are used up."""
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


def still_open(intents: Iterable[Intent], undone: Iterable[Undone]) -> list[Undo]:
    """The records that no clean undo has closed, the last one first."""
    closed = {line.id for line in undone if line.done and line.verified}
    return [intent.undo for intent in reversed(list(intents)) if intent.undo.id not in closed]


def take_all_away(records: Iterable[Undo], note: Callable[[Undo, UndoOutcome], None]) -> bool:
    """Undo all, in the order given; `note` is told of each. True: everything is as it was."""
    clean = True
    for record in records:
        outcome = take_away(record)
        note(record, outcome)
        clean &= outcome.clean
    return clean
