"""What is made of a role's process that starts or ends: a line on disk, and where it spoils the run, an end of it."""

from __future__ import annotations

import signal
from collections.abc import Callable

from chaosrun.identity import Identity
from chaosrun.journal import Journal
from chaosrun.records import Exited, Intent, Note, Started, Undone
from chaosrun.stopping import Stopping
from chaosrun.toxics import ROLE as PROXY_ROLE
from chaosrun.toxics import Link


class RoleWatch:
    """Implements `undertest.RoleEvents` for one run.

    Args:
        note: tells whoever draws the run.
        tail: the last output of a role.
        spoils: whether an end that nobody wanted spoils the run now; after a fault it is a finding.
    """

    def __init__(
        self,
        journal: Journal,
        stopping: Stopping,
        *,
        note: Callable[[str], None],
        tail: Callable[[str], str],
        spoils: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._stopping = stopping
        self._note = note
        self._tail = tail
        self._spoils = spoils
        self._loaded = False
        self._ending = False
        self.left: list[str] = []
        """Links that could not be taken away from a proxy server that outlives the run, and why."""
        self.dead_at_start: str | None = None
        """Of the first role that ended before the load began, in words."""

    def load_begins(self) -> None:
        """From now on an end that nobody wanted is an event of the run, and no failed start."""
        self._loaded = True

    def run_ends(self) -> None:
        """From now on every role is meant to end."""
        self._ending = True

    def spawned(self, role: str, identity: Identity) -> None:
        """A process of a role exists, and does not run yet: the line is on disk before it does."""
        self._journal.append(
            Started(t=self._stopping.now(), role=role, pid=identity.pid, start_time=identity.start_time)
        )
        self._journal.sync()

    def led(self, link: Link) -> None:
        """A link is about to be made at a proxy server that outlives the run: how to take it away is on disk first."""
        from chaosrun.faults.toxiproxy import link_record  # noqa: PLC0415 - most runs have no proxy

        self._journal.append(Intent(t=self._stopping.now(), undo=link_record(link)))
        self._journal.sync()

    def unled(self, link: Link, error: str) -> None:
        """It was taken away, or could not be."""
        if error:
            self.left.append(f"proxy {link.proxy} of the Toxiproxy at {link.api} ({error})")
        self._journal.append(
            Undone(t=self._stopping.now(), id=link.proxy, done=not error, verified=not error, error=error)
        )

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        """A process of a role ended."""
        now = self._stopping.now()
        self._journal.append(Exited(t=now, role=role, pid=identity.pid, code=code, expected=expected))
        if expected or self._ending:
            return
        text = f"role {role} (pid {identity.pid}) ended by itself, {_how_it_ended(code)}"
        self._journal.append(Note(t=now, text=text))
        tail = self._tail(role)
        told = f"{text}; its last output:\n{tail}" if tail else text
        self._note(told)
        if not self._loaded:
            self.dead_at_start = self.dead_at_start or told
        elif role == PROXY_ROLE:
            self._stopping.ask(f"{text}, and the load goes through it", trouble=True)
        elif self._spoils():
            self._stopping.ask(f"{text}, before any fault was injected", trouble=True)


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "nobody knows how"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}  # without most of the real-time ones
        return f"by {names.get(-code, f'signal {-code}')}"
    return f"with exit code {code}"
