"""What stands between a run and what it could leave behind: its lock, its place in the index, and its guardian."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from chaosrun.identity import identify, this_process
from chaosrun.journal import JOURNAL
from chaosrun.processes import lineage
from chaosrun.safety.guardian import SILENCE_S, Charge
from chaosrun.safety.lifeline import Lifeline
from chaosrun.safety.locks import Lock
from chaosrun.safety.open_runs import Index, OpenRun


class Guarded:
    """A run that is in the index of open runs, and locked, from the moment that this is made.

    Args:
        folder: of the run; its journal is there.
        holds: what the run takes for itself.

    Raises:
        NotNow: another run that goes on holds that.
        Dirty: an earlier run left something of it open.
        Unwritable: the index cannot be kept.
    """

    def __init__(self, folder: Path, title: str, holds: Sequence[str]) -> None:
        self._folder = folder
        self._lifeline: Lifeline | None = None
        self._lock = Lock.take(folder / JOURNAL, within_s=1.0)
        self._index = Index.here()
        self._run = OpenRun(folder=str(folder), title=title, runner=this_process(), keys=tuple(holds))
        try:
            self._entry = self._index.claim(self._run)
        except BaseException:
            self._let_go()
            raise

    def start(
        self,
        origin_ns: int,
        kinds: Sequence[str],
        lost: Callable[[str], None],
        *,
        silence_s: float = SILENCE_S,
        hidden: Collection[str] = (),
    ) -> None:
        """Start the guardian; it gets ready while the run starts.

        Args:
            kinds: of the faults that there may be.
            lost: told once, in words, when there is no guardian any more.
            silence_s: how long runner and guardian may each say nothing before the other one holds it for lost.
            hidden: variables that secrets were read from, which are not to be seen in the guardian's environment.
        """
        runner = this_process()
        above = [found for pid in lineage() if pid != runner.pid and (found := identify(pid)) is not None]
        charge = Charge(
            folder=str(self._folder),
            origin_ns=origin_ns,
            runner=runner,
            above=tuple(above),
            kinds=tuple(dict.fromkeys(kinds)),
            entry=str(self._entry),
            silence_s=silence_s,
        )
        self._lifeline = Lifeline(charge, lost, hidden)
        self._lifeline.start()

    async def ready(self) -> None:
        """Wait until the guardian guards.

        Raises:
            Unavailable: it cannot, and why.
            Unwritable: the index cannot be kept.
        """
        assert self._lifeline is not None
        await self._lifeline.ready()
        self._index.arm(self._run)

    async def end(self, *, clean: bool) -> None:
        """The run has undone what it could, and said so in its journal.

        Args:
            clean: all of it; otherwise the run stays in the index, for `chaosrun recover`.

        Raises:
            Unwritable: the index cannot be kept.
        """
        try:
            if self._lifeline is not None:
                await self._lifeline.quit()
            if clean:
                self._index.forget(self._folder)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
