"""The messages of the agent platform. What a client says about time and data is passed through as it came."""

from __future__ import annotations

import msgspec

# ---- client to platform ---------------------------------------------------------------------------------------------


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    pass


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    channel: str


class Asked(msgspec.Struct, frozen=True):
    action: str
    timestamp: msgspec.Raw
    data: msgspec.Raw = msgspec.Raw(b"null")


class AgentMessage(msgspec.Struct, frozen=True, tag="agent_message"):
    sender: str = msgspec.field(name="from")
    to: str
    payload: Asked


class Disconnect(msgspec.Struct, frozen=True, tag="disconnect"):
    pass


# ---- platform to client ---------------------------------------------------------------------------------------------


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    pass


class Unsubscribed(msgspec.Struct, frozen=True, tag="unsubscribed"):
    channel: str


class Processed(msgspec.Struct, frozen=True):
    action: str
    data: msgspec.Raw
    status: str = "processed"


class AgentResponse(msgspec.Struct, frozen=True, tag="agent_response"):
    sender: str = msgspec.field(name="from")
    to: str
    payload: Processed
    timestamp: msgspec.Raw
    """The client's own."""


class DisconnectAck(msgspec.Struct, frozen=True, tag="disconnect_ack"):
    """The client closes the connection then."""


class Event(msgspec.Struct, frozen=True, tag="event"):
    """Unasked, to whoever has subscribed to the channel."""

    channel: str
    seq: int
    boot_id: str
    ts: float
    """Unix time in ms."""
    data: dict[str, str | int]
