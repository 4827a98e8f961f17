"""Reading a run folder back: `journal.jsonl` and `samples/` become the `History` that scoring reads."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from chaosrun.errors import UsageError
from chaosrun.journal import (
    JOURNAL,
    SAMPLES,
    UNREADABLE,
    PendingRows,
    ProbeRows,
    PushRows,
    Rows,
    SlotRows,
    count_rows,
    read_pieces,
    read_rows,
)
from chaosrun.records import (
    Attempt,
    Began,
    Burnt,
    Called,
    Clock,
    Closed,
    Confirmed,
    Ended,
    Exchanges,
    Exited,
    Head,
    History,
    Intent,
    Kind,
    Lag,
    LoadStopped,
    Malformed,
    NodeClock,
    Note,
    Opened,
    Phase,
    Probe,
    Proxied,
    Published,
    Push,
    Ready,
    Record,
    Refused,
    Removed,
    Resource,
    RolledBack,
    Silenced,
    Slot,
    Started,
    Status,
    Stop,
    Stream,
    Subscribed,
    Undone,
    Unsteady,
)

Line = (
    Attempt
    | Began
    | Burnt
    | Called
    | Clock
    | Closed
    | Confirmed
    | Ended
    | Exchanges
    | Exited
    | Head
    | Intent
    | Lag
    | LoadStopped
    | Malformed
    | NodeClock
    | Note
    | Opened
    | Phase
    | Proxied
    | Published
    | Ready
    | Refused
    | Removed
    | Resource
    | RolledBack
    | Silenced
    | Started
    | Stop
    | Stream
    | Subscribed
    | Undone
    | Unsteady
)

ENGINE = "engine"
"""The writer whose lines tell the phases."""

PROBER = "prober"
"""The writer of probes."""

_BEGINNING = re.compile(rb'\{"w":"')
"""Of a line; within one, where the quotes of a text are escaped, it cannot stand."""

_WRITER = re.compile(rb'\{"w":"([^"]*)"')
"""How every line begins: it tells whose a line was that is damaged further on."""

R = TypeVar("R", bound=Record)


@dataclass
class Lines:
    """The lines of a journal by type, each in time order."""

    by_type: dict[type[Record], list[Record]] = field(default_factory=lambda: defaultdict(list))
    lost: Counter[str] = field(default_factory=Counter)
    """Lines that were written and cannot be read, by writer; of nobody where not even that can be read."""

    def of(self, kind: type[R]) -> list[R]:
        """The lines of one type; one writer's stay in the order it wrote them in."""
        found = cast("list[R]", self.by_type.get(kind, []))
        return sorted(found, key=lambda line: line.t)


def read_lines(run_dir: Path) -> Lines:
    """Every whole line of the journal; lines that are torn, or missing among the numbers of one writer, are lost.

    Raises:
        UsageError: the folder holds no journal.
    """
    path = run_dir / JOURNAL
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise UsageError(f"{run_dir}: its {JOURNAL} is no file; name the folder of a run")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{run_dir}: no {JOURNAL} can be read here ({error.strerror}); name the folder of a run"
        ) from error
    lines = Lines()
    decoder = msgspec.json.Decoder(Line)
    found: Counter[str] = Counter()
    written: Counter[str] = Counter()
    torn: Counter[str] = Counter()
    for raw in _whole_and_torn(data, decoder):
        try:
            line = decoder.decode(raw)
        except UNREADABLE:
            begins = _WRITER.match(raw)
            torn[begins[1].decode(errors="replace") if begins else ""] += 1
            continue
        found[line.w] += 1
        written[line.w] = max(written[line.w], line.n + 1)
        lines.by_type[type(line)].append(line)
    for writer in {*written, *torn}:
        # A torn line is mostly a missing number too.
        lines.lost[writer] = max(torn[writer], written[writer] - found[writer])
    return lines


def _whole_and_torn(data: bytes, decoder: msgspec.json.Decoder[Line]) -> Iterator[bytes]:
    """The lines; where one was torn, and the line of another writer follows right after what is left of it, both."""
    for raw in data.split(b"\n"):
        begins = [match.start() for match in _BEGINNING.finditer(raw)]
        if begins not in ([], [0]) and not _decodes(raw, decoder):
            edges = sorted({0, *begins, len(raw)})
            yield from (raw[edge:end] for edge, end in pairwise(edges))
        elif raw:
            yield raw


def _decodes(raw: bytes, decoder: msgspec.json.Decoder[Line]) -> bool:
    try:
        decoder.decode(raw)
    except UNREADABLE:
        return False
    return True


@dataclass(frozen=True)
class Recording:
    """A run folder as read: the first line, the lines by type, and the history that scoring reads."""

    began: Began
    history: History
    lines: Lines


def read_run(run_dir: Path, *, until: int | None = None) -> Recording:
    """Read a run folder.

    Args:
        until: read a run that still goes on, as if it ended at this run time.

    Raises:
        UsageError: the folder holds no journal, the journal has no first line, or a file cannot be read.
    """
    try:
        return _read(run_dir, until)
    except OSError as error:
        raise UsageError(
            f"{run_dir}: {error.filename or 'a file of it'} cannot be read ({error.strerror}); mend that and try again"
        ) from error


def _read(run_dir: Path, until: int | None) -> Recording:
    lines = read_lines(run_dir)
    began = lines.of(Began)
    if not began:
        raise UsageError(f"{run_dir / JOURNAL}: its first line is missing or torn; nothing can be scored from it")
    samples = run_dir / SAMPLES
    ended = {line.w: line for line in lines.of(Ended)}
    lost = Counter(lines.lost)

    slots = _slots(samples, ended, lost, running=until is not None)
    streams, pushes = _pushes(samples, lines.of(Stream), ended, lost)
    probes = _probes(samples, ended, lost)
    if until is None:
        # The engine has no samples: without its last line it was killed, and what it left undone is nobody's fault.
        writers = {ENGINE, *(path.stem for path in samples.glob("*.*"))}
        lost.update(writers - set(ended))

    phases = lines.of(Phase)
    end = until if until is not None else _end(lines)
    stopped = lines.of(LoadStopped)
    stops = lines.of(Stop)
    history = History(
        plan=began[0].plan,
        phases=phases,
        end=end,
        load_stopped=stopped[0].t if stopped else end,
        called=lines.of(Called),
        confirmed=lines.of(Confirmed),
        removed=lines.of(Removed),
        intents=lines.of(Intent),
        undone=lines.of(Undone),
        rolled_back=lines.of(RolledBack),
        stop=stops[0] if stops else None,
        attempts=lines.of(Attempt),
        refused=lines.of(Refused),
        opened=lines.of(Opened),
        closed=lines.of(Closed),
        subscribed=lines.of(Subscribed),
        streams=streams,
        malformed=lines.of(Malformed),
        exchanges=lines.of(Exchanges),
        malformed_in=_malformed(samples, ended),
        heads=lines.of(Head),
        published=lines.of(Published),
        slots=slots if until is None else [slot for slot in slots if slot.due < until],
        pushes=pushes,
        probes=probes,
        lags=lines.of(Lag),
        clocks=lines.of(Clock),
        node_clocks=lines.of(NodeClock),
        resources=lines.of(Resource),
        lost_records=lost.total() - lost[PROBER],
        lost_probes=lost[PROBER],
        unsteady=lines.of(Unsteady),
        proxied=next(iter(lines.of(Proxied)), None),
    )
    return Recording(began[0], history, lines)


def _malformed(samples: Path, ended: Mapping[str, Ended]) -> Sequence[int] | None:
    """By group, summed over the load processes; None: not all of them told."""
    told = [ended[path.stem].malformed if path.stem in ended else None for path in samples.glob(f"*.{SlotRows.suffix}")]
    counts = [each for each in told if each is not None]
    return [sum(each) for each in zip(*counts, strict=True)] if counts and len(counts) == len(told) else None


def _end(lines: Lines) -> int:
    """The last instant that the engine wrote of; a run that was cut off ends with the last line of any writer."""
    ended = [line.t for line in lines.of(Ended) if line.w == ENGINE]
    return max(ended) if ended else max(line.t for found in lines.by_type.values() for line in found)


def _rows(
    samples: Path, kind: type[Rows], ended: Mapping[str, Ended], lost: Counter[str]
) -> Iterator[tuple[Path, array[int]]]:
    """The rows of every file of one kind."""
    for path in _files(samples, kind, ended, lost):
        yield path, read_rows(path, kind)[0] if path.is_file() else array("q")


def _files(samples: Path, kind: type[Rows], ended: Mapping[str, Ended], lost: Counter[str]) -> Iterator[Path]:
    """Every file of rows that is there or that its writer says it wrote; what is missing of it is counted as lost."""
    told: dict[str, int] = {writer: getattr(line, kind.suffix) for writer, line in ended.items()}
    there = {path.stem for path in samples.glob(f"*.{kind.suffix}") if path.is_file()}
    for writer in sorted(there | {writer for writer, count in told.items() if count}):
        path = samples / f"{writer}.{kind.suffix}"
        count, torn = count_rows(path, kind) if writer in there else (0, 0)
        lost[writer] += max(torn, told.get(writer, 0) - count)
        yield path


def _slots(samples: Path, ended: Mapping[str, Ended], lost: Counter[str], *, running: bool) -> list[Slot]:
    slots: list[Slot] = []
    for path, rows in _rows(samples, SlotRows, ended, lost):
        decided = list(_unpacked(rows))
        lost[path.stem] += len(rows) // SlotRows.columns - len(decided)
        slots += decided
        pending = path.with_suffix(f".{PendingRows.suffix}")
        if (running or path.stem not in ended) and pending.is_file():
            waiting, torn = read_rows(pending, PendingRows)
            slots += _undecided(_unpacked(waiting), decided)
            lost[path.stem] += torn
    slots.sort(key=lambda slot: (slot.due, slot.group, slot.client, slot.kind))
    return slots


def _undecided(pending: Iterator[Slot], decided: Sequence[Slot]) -> Iterator[Slot]:
    """The slots that were still pending: those of the last flush, less what has been decided since."""
    waiting = {(slot.group, slot.client, slot.due, slot.kind): slot for slot in pending}
    for slot in decided:
        waiting.pop((slot.group, slot.client, slot.due, slot.kind), None)
    yield from waiting.values()


def _unpacked(rows: Sequence[int]) -> Iterator[Slot]:
    """The slots of the rows, without those that say what no slot can."""
    columns = iter(rows)
    status, kind = tuple(Status), tuple(Kind)
    for who, due, sent, got, meta in zip(columns, columns, columns, columns, columns, strict=True):
        if meta & 0xF >= len(status) or meta >> 4 & 0xF >= len(kind):
            continue
        yield Slot(
            who >> 32,
            who & 0xFFFFFFFF,
            due,
            sent,
            got,
            status[meta & 0xF],
            kind[meta >> 4 & 0xF],
            meta >> 24,
            meta >> 8 & 0xFFFF,
        )


class _PushFiles:
    """All pushes of a run, read from disk each time they are gone through, with keys unique over all writers."""

    def __init__(self, files: Sequence[tuple[Path, dict[int, int]]]) -> None:
        self._files = files

    def __iter__(self) -> Iterator[Push]:
        unknown = PushRows.unknown
        for path, keys in self._files:
            columns = chain.from_iterable(read_pieces(path, PushRows))
            for at, first, last, sent_at, sid in zip(columns, columns, columns, columns, columns, strict=True):
                key = keys.get(sid)
                if key is not None:
                    yield Push(at, first, last, None if sent_at == unknown else sent_at, key)


def _pushes(
    samples: Path, streams: list[Stream], ended: Mapping[str, Ended], lost: Counter[str]
) -> tuple[list[Stream], _PushFiles]:
    named: list[Stream] = sorted(streams, key=lambda stream: (stream.w, stream.sid))
    keys: dict[str, dict[int, int]] = defaultdict(dict)
    for index, stream in enumerate(named):
        keys[stream.w][stream.sid] = index
    files: list[tuple[Path, dict[int, int]]] = []
    for path in _files(samples, PushRows, ended, lost):
        known = keys[path.stem]
        if path.is_file():
            sids = (sid for rows in read_pieces(path, PushRows) for sid in rows[4 :: PushRows.columns])
            lost[path.stem] += sum(1 for sid in sids if sid not in known)
            files.append((path, known))
    return named, _PushFiles(files)


def _probes(samples: Path, ended: Mapping[str, Ended], lost: Counter[str]) -> list[Probe]:
    probes: list[Probe] = []
    for _, rows in _rows(samples, ProbeRows, ended, lost):
        columns = iter(rows)
        probes += [
            Probe(sent, got, until, bool(connect))
            for sent, got, until, connect in zip(columns, columns, columns, columns, strict=True)
        ]
    probes.sort()
    return probes
