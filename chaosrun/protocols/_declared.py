"""A declared protocol, compiled: its templates, patterns and streams, shared by all conversations of a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from chaosrun.errors import UsageError
from chaosrun.protocols._base import Clocks
from chaosrun.protocols._message import Get, ObjectReader, Reader, segments
from chaosrun.protocols._pattern import Pattern, compile_pattern, tops
from chaosrun.protocols._script import Script, ScriptStep
from chaosrun.protocols._template import Template
from chaosrun.protocols._values import integer, nanoseconds
from chaosrun.spec.protocol import Exchange, Protocol, Request, SentAt, SeqAt, SeqRange, Stream

Numbers = Callable[[Any], tuple[int, int] | None]
"""The first and last number of a message; None: it has none, though it should."""
Role = Literal["reply", "stream", "answer", "keepalive", "head", "error", "ignore"]

_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Step:
    send: Template | None
    expect: Pattern | None
    within_ns: int
    per_channel: bool
    """It names `{channel}`, and is taken once for each channel of the client."""


@dataclass(frozen=True, slots=True)
class Ask:
    name: str
    weight: int
    send: Template
    reply: Pattern
    by_id: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream: where its messages say what."""

    name: str
    pattern: Pattern
    channel: Get | None
    numbers: Numbers | None
    epoch: Get | None
    sent_at: Callable[[Any, Clocks], int | None] | None
    require: tuple[Get, ...]
    head: str | None
    epoch_path: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    send: Template
    pattern: Pattern
    seq: str
    stream: str | None
    """Whose number it is; None: of the only stream with numbers."""
    channel: Get | None
    epoch: str | None
    per_channel: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and what a message that it recognises is."""

    role: Role
    pattern: Pattern
    of: Any = None
    """The Ask, Feed, Template or Mark it belongs to."""


class Declared:
    """The compiled form of `spec.protocol.Protocol`. Raises UsageError for what only compiling finds."""

    def __init__(self, model: Protocol) -> None:
        self.encoding = model.encoding
        self.binary = (model.frame or ("binary" if model.encoding == "binary" else "text")) == "binary"
        self.split = model.split
        self._json_groups = frozenset(model.json_)
        self._model = model
        self.reader = self._make_reader()
        self._key = self._select_by()
        self.opening = self._steps(model.open, "open")
        self.resume = self._steps(_as_exchanges(model.resume), "resume")
        self.closing = self._steps(model.close, "close")
        self._replies: list[tuple[Any, Pattern]] = []
        self.asks = tuple(self._ask(request) for request in model.all_requests())
        self.feeds = tuple(self._feed(name, stream) for name, stream in model.all_streams().items())
        self.keepalive_every_ns = model.keepalive.every if model.keepalive else None
        self.keepalive_within_ns = model.keepalive.within if model.keepalive else 0
        self.keepalive = Template(model.keepalive.send) if model.keepalive else None
        self.mark = self._mark()
        self.script = self._script()
        self.rules = tuple(self._rules())
        self._check_words()
        self._by_key: dict[Any, tuple[Rule, ...]] = {}
        self._keyless = tuple(rule for rule in self.rules if rule.pattern.key is None)
        for value in {rule.pattern.key[1] for rule in self.rules if rule.pattern.key is not None}:
            self._by_key[value] = tuple(
                rule for rule in self.rules if rule.pattern.key is None or rule.pattern.key[1] == value
            )
        self._get_key = self.reader.getter(self._key) if self._key is not None else None

    def candidates(self, message: Any) -> tuple[Rule, ...]:
        """The rules that may recognise the message, in the order in which they are to be tried."""
        if self._get_key is None:
            return self.rules
        value = self._get_key(message)
        return self._by_key.get(value, self._keyless) if isinstance(value, str) else self._keyless

    # ---- reading

    def _make_reader(self) -> Reader:
        model = self._model
        patterns = list(self._patterns())
        if model.encoding != "json" or not all(isinstance(pattern, dict) for pattern in patterns):
            return Reader(model.encoding)
        wanted = {top for pattern in patterns for top in tops(pattern)}
        wanted |= {segments(path)[0] for path in self._paths()}
        # An index, or a name known only later, cannot be a field of a Struct.
        plain = any(top.lstrip("-").isdigit() or top.startswith("{") for top in wanted)
        return Reader("json") if plain else ObjectReader(wanted)

    def _patterns(self) -> Iterator[Any]:
        model = self._model
        steps = (*model.open, *model.close, *_as_exchanges(model.resume))
        yield from (step.expect for step in steps if step.expect is not None)
        yield from (turn.expect for turn in model.turns() if turn.expect is not None)
        yield from (request.reply for request in model.all_requests())
        yield from (stream.match for stream in model.all_streams().values())
        yield from (answer.match for answer in model.answer)
        yield from model.ignore
        if model.keepalive is not None and model.keepalive.expect is not None:
            yield model.keepalive.expect
        if model.high_water is not None:
            yield model.high_water.reply
        if model.error is not None:
            yield model.error.match

    def _paths(self) -> Iterator[str]:
        for stream in self._model.all_streams().values():
            yield from (
                path for path in (stream.channel, stream.head, stream.epoch, *stream.require) if path is not None
            )
            if isinstance(stream.seq, str):
                yield stream.seq
            elif isinstance(stream.seq, SeqRange):
                yield from (stream.seq.first, stream.seq.last)
            if stream.sent_at is not None:
                yield stream.sent_at.field
        mark = self._model.high_water
        if mark is not None:
            yield from (path for path in (mark.seq, mark.channel, mark.epoch) if path)

    def _select_by(self) -> str | None:
        """The top-level field that most patterns fix to a text, such as `type`."""
        if not isinstance(self.reader, ObjectReader):
            return None
        fixed = Counter(
            path
            for pattern in self._patterns()
            for path, want in pattern.items()
            if isinstance(want, str) and "." not in path and not Template(want).names
        )
        return fixed.most_common(1)[0][0] if fixed else None

    # ---- compiling

    def _pattern(self, value: Any, *, selected: bool = True) -> Pattern:
        key = self._key if selected else None
        return compile_pattern(value, self.encoding, self.reader, key=key, json_groups=self._json_groups)

    def _steps(self, exchanges: Iterable[Exchange], where: str) -> tuple[Step, ...]:
        steps = []
        for exchange in exchanges:
            send = Template(exchange.send) if exchange.send is not None else None
            # Not selected by key: a step looks at every message itself.
            expect = self._pattern(exchange.expect, selected=False) if exchange.expect is not None else None
            words = (send.names if send else frozenset()) | (expect.words if expect else frozenset())
            if expect is not None and "last_seq" in expect.words and send is None:
                raise UsageError(f"{where}: an `expect` that stands alone has no {{last_seq}} to equal")
            steps.append(Step(send, expect, exchange.within, "channel" in words))
        return tuple(steps)

    def _ask(self, request: Request) -> Ask:
        # Requests whose replies look alike share the pattern: a reply answers the oldest of them all.
        alike = next((reply for spec, reply in self._replies if spec == request.reply), None)
        reply = alike or self._pattern(request.reply)
        self._replies.append((request.reply, reply))
        return Ask(request.name, request.weight, Template(request.send), reply, "id" in reply.words)

    def _feed(self, name: str, stream: Stream) -> Feed:
        return Feed(
            name=name,
            pattern=self._pattern(stream.match),
            channel=self.reader.getter(stream.channel) if stream.channel else None,
            numbers=self._numbers(stream),
            epoch=self.reader.getter(stream.epoch) if stream.epoch else None,
            sent_at=self._sent_at(stream.sent_at) if stream.sent_at else None,
            require=tuple(self.reader.getter(path) for path in stream.require),
            head=stream.head,
            epoch_path=stream.epoch,
        )

    def _numbers(self, stream: Stream) -> Numbers | None:
        seq = stream.seq
        if seq is None:
            return None
        if isinstance(seq, SeqAt):
            place = slice(seq.at, seq.at + seq.size)
            size, endian = seq.size, seq.endian

            def at_place(view: Any) -> tuple[int, int] | None:
                data = view[place]
                number = integer(int.from_bytes(data, endian)) if len(data) == size else None
                return None if number is None else (number, number)

            return at_place
        if isinstance(seq, SeqRange):
            get_first, get_last = self.reader.getter(seq.first), self.reader.getter(seq.last)

            def from_to(view: Any) -> tuple[int, int] | None:
                first, last = integer(get_first(view)), integer(get_last(view))
                return None if first is None or last is None else (first, last)

            return from_to
        get = self.reader.getter(seq)

        def one(view: Any) -> tuple[int, int] | None:
            number = integer(get(view))
            return None if number is None else (number, number)

        return one

    def _sent_at(self, spec: SentAt) -> Callable[[Any, Clocks], int | None]:
        get, unit = self.reader.getter(spec.field), _UNIT_NS[spec.unit]
        unix = spec.clock == "unix"

        def sent_at(view: Any, clocks: Clocks) -> int | None:
            since = nanoseconds(get(view), unit)
            return None if since is None else since - (clocks.wall_offset_ns if unix else clocks.origin_ns)

        return sent_at

    def _mark(self) -> Mark | None:
        spec = self._model.high_water
        if spec is None:
            return None
        send = Template(spec.send)
        channel = self.reader.getter(spec.channel) if spec.channel else None
        return Mark(
            send, self._pattern(spec.reply), spec.seq, spec.stream, channel, spec.epoch, "channel" in send.names
        )

    def _script(self) -> Script | None:
        spec = self._model.session
        if spec is None:
            return None
        steps: list[ScriptStep] = []
        asked = len(self.asks)
        for turn in spec.steps:
            asks = turn.send is not None and turn.expect is not None
            steps.append(
                ScriptStep(
                    name=turn.name,
                    send=None if turn.send is None else Template(turn.send),
                    expect=None if turn.expect is None else self._pattern(turn.expect, selected=False),
                    which=asked if asks else None,
                    within_ns=turn.within,
                    think_ns=spec.think if turn.think is None else turn.think,
                )
            )
            asked += asks
        return Script(tuple(steps), spec.repeat, leaves=spec.then != "stay", returns=spec.then == "reconnect")

    def _rules(self) -> Iterator[Rule]:
        """In the order of precedence: a request's reply wins over an error."""
        model = self._model
        yield from (Rule("reply", ask.reply, ask) for ask in self.asks)
        yield from (Rule("stream", feed.pattern, feed) for feed in self.feeds)
        yield from (Rule("answer", self._pattern(answer.match), Template(answer.send)) for answer in model.answer)
        if model.keepalive is not None and model.keepalive.expect is not None:
            yield Rule("keepalive", self._pattern(model.keepalive.expect))
        if self.mark is not None:
            yield Rule("head", self.mark.pattern, self.mark)
        if model.error is not None:
            yield Rule("error", self._pattern(model.error.match))
        yield from (Rule("ignore", self._pattern(pattern)) for pattern in model.ignore)

    def _check_words(self) -> None:
        """Every placeholder that is sent is known or captured, and every capture is sent somewhere."""
        captured: frozenset[str] = frozenset()
        used: set[str] = set()
        for where, steps in (("open", self.opening), ("resume", self.resume), ("close", self.closing)):
            for step in steps:
                if step.send is not None:
                    step.send.check(captured, where)
                    used |= step.send.names
                captured |= step.expect.captures if step.expect is not None else frozenset()
        for rule in self.rules:
            captured |= rule.pattern.captures
        turns = self.script.steps if self.script is not None else ()
        for turn in turns:
            captured |= turn.expect.captures if turn.expect is not None else frozenset()
        sends: list[tuple[str, Template]] = [(f"request {ask.name}", ask.send) for ask in self.asks]
        sends += [(f"step {turn.name} of the session", turn.send) for turn in turns if turn.send is not None]
        sends += [("answer", cast(Template, rule.of)) for rule in self.rules if rule.role == "answer"]
        sends += [("keepalive", self.keepalive)] if self.keepalive else []
        sends += [("high_water", self.mark.send)] if self.mark else []
        for where, template in sends:
            template.check(captured, where)
            used |= template.names
        if self.encoding == "json" and (unused := sorted(captured - used)):
            raise UsageError(
                f"unknown {{{unused[0]}}} in a pattern: it is no known word, and as a capture nothing sends it"
            )


def _as_exchanges(resume: Any) -> tuple[Exchange, ...]:
    if resume is None:
        return ()
    return (Exchange(send=resume.send, expect=resume.expect, within=f"{resume.within}ns"),)  # type: ignore[arg-type]  # as a user writes it
