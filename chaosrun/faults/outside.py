"""A fault that somebody else injects and takes away: a person, a script, Chaos Toolkit.

chaosrun holds the load and is told, at a socket in the run's folder (`chaosrun.telling`), what the other one is about
to do or has done. Each word is answered when it has been written down, so that whoever waits for it acts after it:

- `begin`: the harm is done right after the answer;
- `confirmed`, `unconfirmed`: whether its effect was seen;
- `ending`: it is taken away right after the answer; left out where that takes no time;
- `over`: it is gone.

Nothing of it is chaosrun's to undo. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from chaosrun.errors import Unavailable, UsageError
from chaosrun.faults._base import Confirmation, Fault, Removal, World
from chaosrun.records import Undo
from chaosrun.spec.steps import OutsideStep
from chaosrun.spec.units import format_duration
from chaosrun.telling import FOLDER, SUFFIX, Ear, Word

WORDS: Final = ("begin", "confirmed", "unconfirmed", "ending", "over")


class Outside(Fault):
    kind = "outside"
    sign = "whoever injects it says so"
    is_ours = False

    def __init__(self, name: str, *, role: str | None, instant: bool, begin_within_ns: int, at_most_ns: int) -> None:
        super().__init__(name, role=role, sustained=not instant)
        self._begin_within_ns = begin_within_ns
        self._at_most_ns = at_most_ns
        self._identifier = ""
        self._world: World | None = None
        self._ear: Ear | None = None
        self._wanted = asyncio.Event()
        """Somebody is about to inject it, and waits for our leave."""
        self._began = asyncio.Event()
        self._at = 0
        self._seen: Confirmation | None = None
        self._seen_or_over = asyncio.Event()
        self._ending: int | None = None
        self._over: int | None = None
        self._is_over = asyncio.Event()

    def plan(self, world: World, identifier: str) -> Undo:
        self._identifier = identifier
        what = "nothing: whoever injects it takes it away"
        return Undo(id=identifier, kind=self.kind, what=what, identity={})

    def aim(self, world: World) -> Sequence[str]:
        return ["whatever somebody else does", *super().aim(world)]

    async def prepare(self, world: World) -> None:
        """Wait until somebody is about to inject it.

        Raises:
            Unavailable: nobody was.
        """
        self._world = world
        self._ear = Ear(world.folder / FOLDER / f"{self._identifier}{SUFFIX}", self._heed)
        try:
            await self._ear.open()
        except OSError as error:
            raise Unavailable(f"fault {self.name!r}: nobody can be listened to here ({error})") from error
        within = format_duration(self._begin_within_ns)
        world.note(f"waits up to {within} for {self.name!r} to begin: chaosrun tell {world.folder} begin")
        try:
            await asyncio.wait_for(self._wanted.wait(), self._begin_within_ns / 1e9)
        except TimeoutError:
            await self._ear.close()
            raise Unavailable(f"fault {self.name!r}: nobody said within {within} that it begins") from None
        except BaseException:
            await self._ear.close()
            raise

    async def inject(self, world: World) -> None:
        """The call has been written down: who waits for that may go ahead."""
        self._at = world.now()
        self._began.set()

    async def confirm(self, world: World) -> Confirmation:
        """By what is said, until it is over."""
        await self._seen_or_over.wait()
        return self._seen or Confirmation(False, "nobody said that its effect was there")

    async def settle(self, world: World) -> None:
        """Until it is over, or for as long as that may take."""
        left_ns = self._at + self._at_most_ns - world.now()
        try:
            await asyncio.wait_for(self._is_over.wait(), max(0, left_ns) / 1e9)
        except TimeoutError:
            at_most = format_duration(self._at_most_ns)
            world.note(f"nobody said within {at_most} that {self.name!r} is over; the run goes on as if it still stood")
        finally:
            self._seen_or_over.set()
            if self._ear is not None:
                await self._ear.close()

    async def remove(self, world: World) -> Removal:
        """Told, not done: between `ending` and `over`."""
        return Removal(self._over if self._ending is None else self._ending, until=self._over)

    async def _heed(self, word: Word) -> int:
        assert self._world is not None
        match word.word:
            case "begin":
                if self._wanted.is_set():
                    raise UsageError("it has begun already")
                self._wanted.set()
                await self._began.wait()
                return self._at
            case other if other not in WORDS:
                raise UsageError(f"no word {other[:40]!r}; known: {', '.join(WORDS)}")
            case _ if not self._began.is_set():
                raise UsageError("it has not begun; say begin before it does")
            case _ if self._is_over.is_set():  # of two who tell it one may be late
                raise UsageError("it is over already")
        now = self._world.now()
        if word.word == "over":
            self._over = now
            self._is_over.set()
        elif word.word == "ending":
            self._ending = now if self._ending is None else self._ending
        elif self._seen is None:
            how = self._world.mask(word.detail) or f"whoever injected it said: {word.word}"
            self._seen = Confirmation(word.word == "confirmed", how, now)
            self._seen_or_over.set()
        return now


def make(step: OutsideStep) -> Fault:
    """The fault that a step of the method describes."""
    return Outside(
        step.name or (f"{step.fault} {step.role}" if step.role else step.fault),
        role=step.role,
        instant=step.instant,
        begin_within_ns=step.begin_within,
        at_most_ns=step.at_most,
    )


def undo(record: Undo) -> None:
    pass


def verify(record: Undo) -> bool:
    """There is nothing of ours: whether the service is well again the load tells, and its criteria."""
    return True
