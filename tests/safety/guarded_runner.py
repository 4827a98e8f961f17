"""A run that freezes a process and then does nothing more, to be killed: `python guarded_runner.py STORY`.

Differs from a real run in all that has nothing to do with its end: there is no load, no target and no score.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaosrun.faults import command
from chaosrun.faults.process_pause import UndoArgs
from chaosrun.identity import Identity, boot_id, send_signal
from chaosrun.journal import Journal
from chaosrun.plan import Plan
from chaosrun.recorded import ENGINE
from chaosrun.records import Began, Intent, Undo, Undone
from chaosrun.safety.guarded import Guarded
from chaosrun.safety.undo import take_away


class Story(msgspec.Struct, kw_only=True):
    """What the run does."""

    folder: str
    frozen: tuple[Identity, ...] = ()
    """Frozen one after another, each with an undo of its own."""
    tells: str = ""
    """A file into which the undo of a command writes what it finds in the environment as PLANTED; none: no command."""
    holds: tuple[str, ...] = ()
    undoes_first: int = 0
    """So many of the undos it does itself, before it says that it has come to its end."""
    quits: bool = False
    tears: bool = False
    """It was killed in the middle of a line."""
    silence_s: float = 15.0


def freezing(number: int, process: Identity) -> Undo:
    return Undo(
        id=f"f{number}",
        kind="process_pause",
        what=f"let process {process.pid} go on",
        identity={"pid": process.pid},
        args=msgspec.Raw(msgspec.json.encode(UndoArgs((process,)))),
        boot_id=boot_id(),
    )


def telling(where: str) -> Undo:
    words = ("sh", "-c", 'printf %s "$PLANTED" > "$0"', where)
    args = command.UndoArgs(tag=where, argv=words, cwd="/", timeout_s=10.0)
    raw = msgspec.Raw(msgspec.json.encode(args))
    return Undo(id="told", kind="command", what="tell", identity={}, args=raw, boot_id=boot_id())


async def run(story: Story) -> None:
    folder = Path(story.folder)
    folder.mkdir(parents=True, exist_ok=True)
    origin = time.monotonic_ns()
    journal = Journal(folder, ENGINE)
    journal.append(
        Began(
            t=0,
            run=folder.name,
            chaosrun_version="0",
            title="A run",
            origin_ns=origin,
            plan=Plan(groups=()),
            boot_id=boot_id(),
        )
    )
    journal.sync()
    guarded = Guarded(folder, "A run", story.holds)
    guarded.start(origin, ["process_pause", "command"], lambda why: say(f"lost {why}"), silence_s=story.silence_s)
    await guarded.ready()
    records = [freezing(number, process) for number, process in enumerate(story.frozen)]
    for record, process in zip(records, story.frozen, strict=True):
        journal.append(Intent(t=time.monotonic_ns() - origin, undo=record))
        journal.sync()
        send_signal(process, signal.SIGSTOP)
    if story.tells:
        journal.append(Intent(t=time.monotonic_ns() - origin, undo=telling(story.tells)))
        journal.sync()
    for record in records[::-1][: story.undoes_first]:
        outcome = take_away(record)
        journal.append(
            Undone(t=time.monotonic_ns() - origin, id=record.id, done=outcome.done, verified=outcome.verified)
        )
        journal.sync()
    if story.tears:
        os.write(os.open(folder / "journal.jsonl", os.O_WRONLY | os.O_APPEND), b'{"w":"engine","n":99,"type":"no')
    if story.quits:
        await guarded.end(clean=True)
    say("there")
    await asyncio.sleep(3600)


def say(word: str) -> None:
    print(word, flush=True)


def main(arguments: Sequence[str]) -> None:
    asyncio.run(run(msgspec.json.decode(arguments[0], type=Story)))


if __name__ == "__main__":
    main(sys.argv[1:])
