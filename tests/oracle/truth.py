"""The truth of a run: the log of the truth server put together by connection, in run time (ns)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from truth_log import End, Entry, What, logs, read_entries
from truth_script import PROBER, Script


@dataclass
class Ask:
    """One request, from its arrival to the writing of its reply."""

    id: int
    at: int
    read: int
    """When the server came to it."""
    answered: int | None = None
    ok: bool = False


@dataclass
class Connection:
    start: int
    """Which start of the server it belongs to."""
    conn: int
    client: int
    """-2: it never said who it is."""
    accepted: int
    shaken: int | None = None
    ended: int | None = None
    """None: it was still there when the server was ended."""
    how: End | None = None
    asks: list[Ask] = field(default_factory=list)

    @property
    def served(self) -> Ask | None:
        """Its first request that was answered, without an error."""
        return next((ask for ask in self.asks if ask.ok), None)


@dataclass(frozen=True)
class Acted:
    """One act of the script, as it was carried out."""

    section: str
    number: int
    begun: int
    over: int | None


@dataclass(frozen=True)
class Truth:
    script: Script
    starts: Sequence[Sequence[Entry]]
    """The entries of each start of the server."""
    ended: Sequence[int]
    """When each start was last known to run: to a millisecond where the server was busy with nothing else."""
    connections: Sequence[Connection]
    """In order of acceptance."""

    @property
    def pids(self) -> list[int]:
        """Of the server's processes, by start."""
        return [entry.a for entry in self.entries(What.STARTED)]

    def entries(self, *what: What) -> Iterator[Entry]:
        for entries in self.starts:
            for entry in entries:
                if not what or entry.what in what:
                    yield entry

    def times(self, what: What) -> list[int]:
        return [entry.t for entry in self.entries(what)]

    def of(self, client: int) -> list[Connection]:
        return [each for each in self.connections if each.client == client]

    @property
    def prober(self) -> list[Connection]:
        return self.of(PROBER)

    def acts(self, section: str) -> list[Acted]:
        """What was done in a section; one that was begun twice has its acts twice."""
        number = list(self.script.sections).index(section)
        done: list[Acted] = []
        for entry in self.entries(What.BEGUN, What.OVER):
            if entry.a != number:
                continue
            if entry.what == What.BEGUN:
                done.append(Acted(section, entry.b, entry.t, None))
            else:
                last = max(i for i, act in enumerate(done) if act.number == entry.b)
                done[last] = Acted(section, entry.b, done[last].begun, entry.t)
        return done


def read_truth(folder: Path, origin_ns: int, script: Script) -> Truth:
    """Put together what the logs in `folder` say."""
    read = [read_entries(path, origin_ns) for path in logs(folder)]
    found: list[Connection] = []
    for start, (entries, ended) in enumerate(read):
        open_ones = _connections(start, entries, origin_ns)
        for each in open_ones:
            if each.ended is None and start + 1 < len(read):
                each.ended = ended  # it went with its server
        found += open_ones
    return Truth(script, [entries for entries, _ in read], [ended for _, ended in read], found)


def _connections(start: int, entries: Sequence[Entry], origin_ns: int) -> list[Connection]:
    by_conn: dict[int, Connection] = {}
    asks: dict[tuple[int, int], Ask] = {}
    for entry in entries:
        if entry.what == What.ACCEPTED:
            by_conn[entry.conn] = Connection(start, entry.conn, entry.client, entry.t)
        elif entry.what == What.SHAKEN:
            by_conn[entry.conn].shaken, by_conn[entry.conn].client = entry.t, entry.client
        elif entry.what in (What.ENDED, What.REFUSED):
            by_conn[entry.conn].ended, by_conn[entry.conn].how = entry.t, End(entry.a)
            by_conn[entry.conn].client = entry.client
        elif entry.what == What.ASKED:
            ask = asks[entry.conn, entry.a] = Ask(entry.a, entry.t, entry.b - origin_ns)
            by_conn[entry.conn].asks.append(ask)
        elif entry.what == What.ANSWERED:
            asks[entry.conn, entry.a].answered = entry.t
            asks[entry.conn, entry.a].ok = bool(entry.b)
    return list(by_conn.values())
