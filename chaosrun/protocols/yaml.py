"""The protocol that a user declares in YAML, and its conversation."""

from __future__ import annotations

from itertools import accumulate
from math import gcd
from typing import Any

from chaosrun.plan import StreamPlan
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Handshake, Protocol, Sink
from chaosrun.protocols._declared import Declared
from chaosrun.protocols._dialogue import Dialogue
from chaosrun.protocols._speech import fixed_value
from chaosrun.protocols._template import Template
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
        self._turns = turns([ask.weight for ask in self._declared.asks])

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
        return self._turns[(client + k) % len(self._turns)] if self._turns else 0


def from_json(text: str) -> Protocol:
    """The protocol in the form in which the engine passes it on: the JSON of `spec.model`'s `wire()`."""
    return YamlProtocol(Model.from_wire(text))


def turns(weights: list[int]) -> tuple[int, ...]:
    """A round in which number `i` has `weights[i]` turns, spread evenly (nginx's smooth weighted round-robin)."""
    if not weights:
        return ()
    shared = gcd(*weights)
    weights = [weight // shared for weight in weights]
    total = list(accumulate(weights))[-1]
    credit = [0] * len(weights)
    order = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        best = max(range(len(weights)), key=lambda i: (credit[i], -i))
        credit[best] -= total
        order.append(best)
    return tuple(order)
