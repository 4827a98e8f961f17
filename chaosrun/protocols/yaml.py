"""The protocol that a user declares in YAML, and its conversation."""

from __future__ import annotations

from typing import Any

from chaosrun.plan import StreamPlan
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Handshake, Protocol, Sink
from chaosrun.protocols._declared import Declared
from chaosrun.protocols._dialogue import Dialogue
from chaosrun.protocols._speech import fixed_value
from chaosrun.protocols._template import Template
from chaosrun.protocols._turns import Turns
from chaosrun.spec.protocol import Protocol as Model
from chaosrun.spec.secret import reveal


class YamlProtocol(Protocol):
    """What a `spec.protocol.Protocol` means."""

    def __init__(self, model: Model) -> None:
        """Raises UsageError for what only compiling finds: unknown placeholders, bad expressions."""
        self._declared = Declared(model)
        self._path = Template(reveal(model.path)) if model.path is not None else None
        self._query = Template({name: reveal(value) for name, value in model.query.items()})
        self._headers = Template({name: reveal(value) for name, value in model.headers.items()})
        self._subprotocols = tuple(model.subprotocols)
        for where, template in (("path", self._path), ("query", self._query), ("headers", self._headers)):
            if template is not None:
                template.check(frozenset(), where)
        self.requests = tuple(ask.name for ask in self._declared.asks)
        self.steps = tuple(turn.name for turn in model.asking_turns())
        self.streams = tuple(
            StreamPlan(
                name=name,
                order="none" if stream.seq is None else stream.order,
                scope=stream.scope,
                first_seq=stream.first_seq,
                has_epoch=stream.epoch is not None,
                resumes=model.resume is not None,
                has_sent_at=stream.sent_at is not None,
                stale_after_ns=stream.stale_after,
            )
            for name, stream in model.all_streams().items()
        )
        self.has_heads = model.high_water is not None
        self._turns = Turns([ask.weight for ask in self._declared.asks])

    def handshake(self, identity: ClientIdentity) -> Handshake:
        def lookup(name: str) -> Any:
            return fixed_value(identity, name)

        return Handshake(
            path=str(self._path.fill(lookup)) if self._path is not None else None,
            query={name: str(value) for name, value in self._query.fill(lookup).items()},
            headers={name: str(value) for name, value in self._headers.fill(lookup).items()},
            subprotocols=self._subprotocols,
        )

    def conversation(
        self, identity: ClientIdentity, sink: Sink, clocks: Clocks, previous: Conversation | None = None
    ) -> Conversation:
        before = previous if isinstance(previous, Dialogue) else None
        return Dialogue(self._declared, identity, sink, clocks, before)

    def pick(self, client: int, k: int) -> int:
        return self._turns.pick(client, k)


def from_json(text: str) -> Protocol:
    """The protocol in the form in which the engine passes it on: the JSON of `spec.model`'s `wire()`."""
    return YamlProtocol(Model.from_wire(text))
