"""What a declared conversation says: templates filled in with what the client is, has heard, and sends just now."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from chaosrun.errors import UsageError
from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols._template import ACCOUNT, Lookup, Template

Values = dict[str, Any]
"""Placeholders and what they were when they were sent."""


class Speech:
    """The placeholders of one conversation. `last_seq` (by channel) outlives it, for the client that returns."""

    __slots__ = ("_clocks", "_identity", "_seq", "captured", "channel", "last_seq", "now", "token")

    def __init__(self, identity: ClientIdentity, clocks: Clocks, last_seq: dict[str, int]) -> None:
        self._identity = identity
        self._clocks = clocks
        self._seq = 0
        self.captured: Values = {}
        self.channel = ""
        """The channel that the step just taken is about; empty: none in particular."""
        self.last_seq = last_seq
        self.now = 0
        self.token = 0

    def only_channel(self) -> str:
        """The client's channel, where it has exactly one."""
        return self._identity.channels[0] if len(self._identity.channels) == 1 else ""

    def data(self, template: Template, encoding: str, values: Values) -> bytes:
        """The message that a template makes now; `values` is told what its placeholders were."""

        def lookup(name: str) -> Any:
            if name not in values:
                values[name] = self.value(name)
            return values[name]

        value = template.fill(lookup)
        if isinstance(value, bytes):
            return value
        if isinstance(value, str) and encoding != "json":
            return value.encode()
        return msgspec.json.encode(value)

    def echo(self, values: Values) -> Lookup:
        """What a reply must repeat: the values that were sent, and for words that were not sent, what they are."""
        return lambda name: values[name] if name in values else self.value(name)

    def value(self, name: str) -> Any:
        if name in self.captured:
            return self.captured[name]
        make = _MADE.get(name)
        return fixed_value(self._identity, name) if make is None else make(self)

    def unix_ns(self) -> int:
        return self._clocks.unix_ns(self.now)

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq


_MADE: dict[str, Callable[[Speech], Any]] = {
    "id": lambda speech: speech.token,
    "channel": lambda speech: speech.channel or speech.only_channel(),
    "seq": Speech.next_seq,
    "last_seq": lambda speech: speech.last_seq.get(speech.channel or speech.only_channel(), 0),
    "unix_ms": lambda speech: speech.unix_ns() // 1_000_000,
    "unix_ns": Speech.unix_ns,
    "uuid": lambda _: str(uuid.uuid4()),
}
"""The placeholders that are made anew each time."""


def fixed_value(identity: ClientIdentity, name: str) -> Any:
    """The placeholders that belong to a client for the whole run.

    Raises:
        UsageError: the accounts table has no such column, or the word has no value here.
    """
    match name:
        case "client":
            return identity.name
        case "index":
            return identity.index
        case "group":
            return identity.group
        case "channel" if identity.channels:
            return identity.channels[0]
    if name.startswith(ACCOUNT) and name[len(ACCOUNT) :] in identity.account:
        return identity.account[name[len(ACCOUNT) :]]
    raise UsageError(f"{{{name}}} has no value for {identity.name}, whose accounts row has {sorted(identity.account)}")
