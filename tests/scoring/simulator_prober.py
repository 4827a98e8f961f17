"""The prober in a simulated run: a fresh handshake every 250 ms, and all the time while it has no connection.

As in chaosrun/load/prober.py for a protocol that asks nothing on the standing connection; its timers are never late.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator import FOREVER, MS, PROBER, S, Server, World

from chaosrun.records import NONE, Probe

EVERY = 10 * MS
CONNECT_EVERY = 250 * MS
TIMEOUT = S
HANGING_ATTEMPTS = 20


@dataclass(order=True)
class Handshake:
    """An attempt whose fate is decided, and not known to the prober before `known`."""

    known: int
    sent: int
    ok: bool
    broke: int = FOREVER
    """When the server will end the connection."""


@dataclass
class Prober:
    world: World
    rows: list[Probe] = field(default_factory=list)
    standing: int | None = None
    """When the prober will see its standing connection end."""
    attempted: int = -CONNECT_EVERY
    attempts: list[Handshake] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = Server(self.world, 0, PROBER)
        self.half = self.world.trip // 2

    def play(self) -> list[Probe]:
        now = self.world.baseline
        while now < self.world.load_stopped:
            self._hear(now)
            since = now - self.attempted
            if self.standing is not None:
                if since >= CONNECT_EVERY:
                    self._attempt(now)
                if not self.attempts and self.standing > now + CONNECT_EVERY:
                    now += CONNECT_EVERY - EVERY  # nothing to do or to hear until then
            elif not self.attempts or since >= TIMEOUT // HANGING_ATTEMPTS:
                self._attempt(now)
            now += EVERY
        return self.rows

    def _hear(self, now: int) -> None:
        """All that became known up to `now`, in order."""
        while True:
            known = min((each.known for each in self.attempts), default=FOREVER)
            broken = FOREVER if self.standing is None else self.standing
            if min(known, broken) > now:
                return
            if broken <= known:
                self.standing = None
                self._attempt(broken)
            else:
                self._connected(min(self.attempts))

    def _connected(self, attempt: Handshake) -> None:
        self.attempts.remove(attempt)
        self.rows.append(Probe(attempt.sent, attempt.known if attempt.ok else NONE, attempt.known, connect=True))
        if attempt.ok and self.standing is None:
            self.standing = attempt.broke + self.half
            self.attempts.clear()

    def _attempt(self, t: int) -> None:
        self.attempted = t
        arrives = t + self.half
        answered = self.server.accepts(arrives)
        if answered is None:
            refused = self.server.refuses(arrives)
            self.attempts.append(Handshake(arrives + self.half if refused else t + TIMEOUT, t, ok=False))
            return
        broke = self.server.next_break(answered)
        at, ok = self._echo(answered + self.world.trip, broke, t + TIMEOUT)
        self.attempts.append(Handshake(at, t, ok, broke))

    def _echo(self, arrives: int, broke: int, until: int) -> tuple[int, bool]:
        """When the prober knows of the echo that it asked for, and whether it came."""
        at, ok = self.server.replies(arrives)
        if at is None or at >= broke or at + self.half > until:
            return min(broke + self.half, until), False
        return at + self.half, ok
