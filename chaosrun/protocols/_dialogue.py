"""A conversation as a declared protocol wants it: its steps in turn, and what every message in between means."""

# ruff: noqa: ARG002 - the interface tells more than a declared protocol needs

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

import msgspec

from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Data, Sink
from chaosrun.protocols._declared import Ask, Declared, Feed, Mark, Rule, Step
from chaosrun.protocols._message import MISSING, UNREADABLE, segments, walk
from chaosrun.protocols._pattern import NO_VIEW, Pattern
from chaosrun.protocols._script import Player
from chaosrun.protocols._speech import Speech, Values
from chaosrun.protocols._template import Template
from chaosrun.protocols._values import integer, name
from chaosrun.records import NONE

MOST_REMEMBERED: Final = 10_000
"""Channels whose last number is known for `{last_seq}`: a server may make up as many as it likes."""

LARGEST_CAPTURE: Final = 16 << 10
"""Bytes, as JSON, of a value that is kept to be sent again: a token takes a few, and every client keeps its own."""

LONGEST_PIECE: Final = 16 << 20
"""Bytes of a message that is put together from several others (`split`), each of at most `max_message`."""


class _Phase(Enum):
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()


class Dialogue(Conversation):
    __slots__ = (
        "_asked",
        "_declared",
        "_heads",
        "_keepalive_at",
        "_keepalive_by",
        "_marks",
        "_order",
        "_phase",
        "_player",
        "_rest",
        "_sent",
        "_speech",
        "_step",
        "_step_by",
        "_steps",
    )  # fmt: skip

    def __init__(
        self, declared: Declared, identity: ClientIdentity, sink: Sink, clocks: Clocks, previous: Dialogue | None
    ) -> None:
        super().__init__(identity, sink, clocks)
        self._declared = declared
        self._phase = _Phase.OPENING
        self._steps: deque[tuple[Step, str]] = deque()
        self._step: Step | None = None
        """The step whose `expect` is awaited."""
        self._step_by: int | None = None
        self._speech: Speech = Speech(identity, clocks, previous._speech.last_seq if previous is not None else {})
        self._sent: Values = {}
        """The placeholders of the last step, as they were sent."""
        self._asked: dict[int, tuple[Ask, Values]] = {}
        self._order: deque[int] = deque()
        """Tokens of the requests whose replies come in order. One that timed out keeps its place."""
        script = declared.script
        self._player = None if script is None else Player(script, sink, self._speech)
        self._marks: deque[str] = deque()
        """Channels whose high-water mark is asked for."""
        self._heads: dict[tuple[str, str], tuple[int | None, str | None]] = {}
        """What the opening told, by (stream, channel)."""
        self._keepalive_at: int | None = None
        self._keepalive_by: int | None = None
        self._rest = bytearray()
        """The beginning of a message whose end has not come yet (`split`)."""

    # ---- what the client wants

    def start(self, now: int) -> None:
        self._speech.now = now
        declared = self._declared
        self._plan(declared.opening)
        if self._speech.last_seq:
            self._plan(declared.resume)
        self._proceed()

    def play(self, now: int) -> None:
        self._speech.now = now
        if self._player is not None:
            self._player.begin()
            self._set_wake()

    def request(self, token: int, which: int, now: int) -> bool:
        self._speech.now = now
        self._speech.token = token
        if which >= len(self._declared.asks):
            return self._player is not None and self._player.asked(token, self._send)
        ask = self._declared.asks[which]
        values: Values = {}
        if not self._send(ask.send, values):
            return False
        # A reply is checked against what was sent; where it echoes nothing, nothing need be kept.
        self._asked[token] = (ask, values if ask.reply.words else _NO_VALUES)
        if not ask.by_id:
            self._order.append(token)
        return True

    def ask_head(self, now: int) -> bool:
        self._speech.now = now
        mark = self._declared.mark
        if mark is None:
            return False
        for channel in (self.identity.channels if mark.per_channel else ()) or ("",):
            self._speech.channel = channel or self._speech.only_channel()
            self._marks.append(channel)
            self._send(mark.send, {})
        return True

    def finish(self, now: int) -> None:
        self._speech.now = now
        self._phase = _Phase.CLOSING
        if self._player is not None:
            self._player.stop()
        self._steps.clear()
        self._plan(self._declared.closing)
        self._proceed()

    def wake(self, now: int) -> None:
        self._speech.now = now
        if self._step_by is not None and now >= self._step_by:
            self._step_by = None
            if self._phase is _Phase.CLOSING:
                self.sink.finished()
            else:
                self.sink.failed("deadline: no answer to a step of the opening in time")
        elif self._keepalive_by is not None and now >= self._keepalive_by:
            self._keepalive_by = None
            self.sink.failed("deadline: no answer to the keepalive in time")
        elif self._keepalive_at is not None and now >= self._keepalive_at:
            self._keep_alive()
        elif self._player is not None:
            self._player.wake(self._send)
        self._set_wake()

    # ---- the steps of opening and closing

    def _plan(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            channels = (self.identity.channels if step.per_channel else ()) or (self._speech.only_channel(),)
            self._steps.extend((step, channel) for channel in channels)

    def _proceed(self) -> None:
        """Take steps until one has to wait for its answer."""
        self._step = self._step_by = None
        while self._steps:
            step, self._speech.channel = self._steps.popleft()
            self._sent = {}
            if step.send is not None and not self._send(step.send, self._sent):
                break
            if step.expect is not None:
                self._step, self._step_by = step, self._speech.now + step.within_ns
                break
        else:
            self._completed()
        self._set_wake()

    def _completed(self) -> None:
        if self._phase is _Phase.CLOSING:
            self.sink.finished()
            return
        self._phase = _Phase.OPEN
        if self._declared.keepalive_every_ns is not None:
            self._keepalive_at = self._speech.now + self._declared.keepalive_every_ns
        for feed in self._declared.feeds:
            for channel in self.identity.channels or ((self._speech.only_channel(),) if feed.channel is None else ()):
                head, epoch = self._heads.get((feed.name, channel), (None, None))
                self.sink.subscribed(channel, head, epoch, feed.name)
        self.sink.opened()

    def _expected(self, step: Step, message: Any) -> bool:
        assert step.expect is not None
        view = step.expect.view(message)
        if view is NO_VIEW or not step.expect.echoes(view, self._speech.echo(self._sent)):
            return False
        if not self._capture(step.expect, view):
            return True
        channels = (self._speech.channel,) if step.per_channel else self.identity.channels or (self._speech.channel,)
        for feed in self._declared.feeds:
            for channel in channels if feed.head is not None else ():
                head = integer(self._at(view, feed.head or "", channel))
                if head is not None:
                    self._heads[feed.name, channel] = head, self._epoch_of_head(view, feed, channel)
        self._proceed()
        return True

    # ---- messages

    def receive(self, data: Data, binary: bool, now: int) -> None:
        self._speech.now = now
        if self._declared.split is None:
            self._read(data)
        else:
            for piece in self._pieces(data):
                self._read(piece)

    def _read(self, data: Data) -> None:
        try:
            message = self._declared.reader.read(data)
        except UNREADABLE as error:
            self.sink.malformed(str(error))
            return
        if self._step is not None and self._expected(self._step, message):
            return
        if self._player is not None and self._player.hears(message, self._capture):
            self._set_wake()
            return
        for rule in self._declared.candidates(message):
            view = rule.pattern.view(message)
            if view is not NO_VIEW and self._is(rule, view):
                return
        self.sink.malformed("a message that no pattern of the protocol knows")

    def _pieces(self, data: Data) -> Iterator[bytes]:
        """The messages that end in `data`. Each byte is looked at once, in however many frames they come."""
        assert self._declared.split is not None
        end = self._declared.split.encode()
        rest, at, looked = self._rest, 0, max(0, len(self._rest) - len(end) + 1)
        rest += data
        while (found := rest.find(end, looked)) >= 0:
            if found > at:
                yield bytes(rest[at:found])
            at = looked = found + len(end)
        del rest[:at]
        if len(rest) > LONGEST_PIECE:
            self.sink.malformed(f"no end of a message in {len(rest)} bytes")
            rest.clear()

    def _is(self, rule: Rule, view: Any) -> bool:
        """Take a recognised message for what the rule says; False: it is not that after all."""
        match rule.role:
            case "stream":
                self._pushed(rule.of, view)
            case "reply":
                return self._replied(rule.of, view)
            case "answer":
                if self._capture(rule.pattern, view):
                    self._send(rule.of, {})
            case "keepalive":
                self._keepalive_by = None
                self._set_wake()
            case "head":
                return self._told_head(rule.of, view)
            case "error":
                self._erred(rule, view)
            case "ignore":
                pass
        return True

    def _pushed(self, feed: Feed, view: Any) -> None:
        for get in feed.require:
            if get(view) is MISSING:
                self.sink.malformed(f"{feed.name}: a required field is missing")
                return
        numbers = (NONE, NONE) if feed.numbers is None else feed.numbers(view)
        if numbers is None:
            self.sink.malformed(f"{feed.name}: no sequence number")
            return
        channel = self._speech.only_channel() if feed.channel is None else name(feed.channel(view))
        if channel is None:
            self.sink.malformed(f"{feed.name}: no channel")
            return
        told = None if feed.epoch is None else feed.epoch(view)
        epoch = _epoch(told)
        if epoch is None and told is not None and told is not MISSING:
            self.sink.malformed(f"{feed.name}: an epoch that is no name")
            return
        sent_at = None if feed.sent_at is None else feed.sent_at(view, self.clocks)
        first, last = numbers
        last_seq = self._speech.last_seq
        if channel in last_seq or len(last_seq) < MOST_REMEMBERED:
            last_seq[channel] = last
        self.sink.pushed(channel, first, last, sent_at, epoch, feed.name)

    def _replied(self, ask: Ask, view: Any) -> bool:
        token = ask.reply.token(view) if ask.by_id else self._oldest(ask)
        asked = self._asked.get(token) if token is not None else None
        if token is None or asked is None or asked[0] is not ask:
            return False
        self._forget(token)
        self._capture(ask.reply, view)
        self.sink.replied(token, ask.reply.echoes(view, self._speech.echo(asked[1] | {"id": token})))
        return True

    def _oldest(self, ask: Ask) -> int | None:
        """The first request in order that this reply can belong to."""
        return next((token for token in self._order if self._asked[token][0].reply is ask.reply), None)

    def _erred(self, rule: Rule, view: Any) -> None:
        """An error answers the request it names, else the oldest of those answered in order, else nothing."""
        token = rule.pattern.token(view)
        if token is None and self._order:
            token = self._order[0]
        if token in self._asked:
            self._forget(token)
            self.sink.replied(token, False)
        elif self._player is not None and self._player.erred():
            self._set_wake()
        elif self._phase is _Phase.OPENING:
            self.sink.failed("the server answered the opening with an error")
        else:
            self.sink.malformed("an error that answers no request")

    def _forget(self, token: int) -> None:
        ask, _ = self._asked.pop(token)
        if not ask.by_id:
            self._order.remove(token)

    def _told_head(self, mark: Mark, view: Any) -> bool:
        if not self._marks:
            return False
        asked = self._marks.popleft()
        if mark.channel is not None:
            told = name(mark.channel(view))
            channels: tuple[str, ...] = () if told is None else (told,)
        elif asked:
            channels = (asked,)
        else:
            channels = self.identity.channels or (self._speech.only_channel(),)
        for channel in channels:
            seq = integer(self._at(view, mark.seq, channel))
            for feed in self._declared.feeds:
                if seq is not None and feed.numbers is not None and mark.stream in (None, feed.name):
                    epoch = _epoch(self._at(view, mark.epoch, channel)) if mark.epoch is not None else None
                    self.sink.head(channel, seq, epoch, feed.name)
        return True

    def _capture(self, pattern: Pattern, view: Any) -> bool:
        """Remember what the pattern captures; False: it is more than anybody sends again, and nothing is kept."""
        found = pattern.captured(view)
        if found and len(msgspec.json.encode(found)) > LARGEST_CAPTURE:
            self.sink.malformed(f"what is captured of it takes more than {LARGEST_CAPTURE} bytes")
            return False
        self._speech.captured |= found
        return True

    # ---- sending

    def _keep_alive(self) -> None:
        declared = self._declared
        assert declared.keepalive is not None and declared.keepalive_every_ns is not None
        self._keepalive_at = self._speech.now + declared.keepalive_every_ns
        answered = any(rule.role == "keepalive" for rule in declared.rules)
        # An answer still owed keeps its deadline: beats that come faster than it must not put it off for ever.
        if self._send(declared.keepalive, {}) and answered and self._keepalive_by is None:
            self._keepalive_by = self._speech.now + declared.keepalive_within_ns

    def _send(self, template: Template, values: Values) -> bool:
        data = self._speech.data(template, self._declared.encoding, values)
        if self._declared.split is not None:
            data += self._declared.split.encode()
        return self.sink.send(data, self._declared.binary)

    # ---- helpers

    def _at(self, view: Any, path: str, channel: str) -> Any:
        """What is at a path, which may have `{channel}` as a segment."""
        top, *way = segments(path)
        found = self._declared.reader.getter(top)(view)
        return walk(found, [channel if segment == "{channel}" else segment for segment in way])

    def _epoch_of_head(self, view: Any, feed: Feed, channel: str) -> str | None:
        """The epoch stands beside the head, or where the stream's messages have it; both may be absent."""
        assert feed.head is not None
        if feed.epoch_path is None:
            return None
        beside = ".".join((*segments(feed.head)[:-1], feed.epoch_path))
        return _epoch(self._at(view, beside, channel)) or _epoch(self._at(view, feed.epoch_path, channel))

    def _set_wake(self) -> None:
        script = () if self._player is None else (self._player.at, self._player.by)
        times = [at for at in (self._step_by, self._keepalive_at, self._keepalive_by, *script) if at is not None]
        self.wake_at = min(times, default=None)


_NO_VALUES: Values = {}


def _epoch(value: Any) -> str | None:
    return None if value is MISSING else name(value)
