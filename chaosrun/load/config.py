"""What a load worker needs to know of a group beyond its plan. Passed over the socketpair only: it holds secrets."""

from __future__ import annotations

import msgspec

from chaosrun.plan import GroupPlan
from chaosrun.protocols._base import ClientIdentity
from chaosrun.spec.tls import TlsFiles


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """When a client that lost its connection, or was refused one, tries again."""

    first_ns: int = 100_000_000
    max_ns: int = 5_000_000_000
    factor: float = 2.0
    jitter: str = "full"
    """full: uniform in [0, delay]; equal: [delay/2, delay]; none: delay."""
    seed: int = 1
    enabled: bool = True
    """False: a client stays away once its connection is gone."""


class GroupLoad(msgspec.Struct, frozen=True, kw_only=True):
    """One group as its clients live it."""

    index: int
    """Its place in `Plan.groups`, by which rows and lines call it."""
    plan: GroupPlan
    url: str
    """The target's base URL; the protocol's path replaces its path."""
    via: str | None = None
    """HOST:PORT of a TCP proxy to connect to in place of the URL's own."""
    protocol: str = ""
    """Built-in name, `package.module:Class`, or a YAML protocol as JSON."""
    http: str | None = None
    """In place of a protocol: `spec.http.Polls` as JSON."""
    reconnect: Backoff = Backoff()
    half_open: int = 0
    """Connections that a fault may leave half-open, beside those that its clients then have."""
    heartbeat_every_s: float | None = None
    heartbeat_timeout_s: float = 10.0
    channels: tuple[str, ...] = ()
    channels_per_client: int | None = None
    """None: every client has every channel."""
    accounts: tuple[dict[str, str], ...] = ()
    """Rows given to the clients in turn, from the first again when they run out."""
    token: str = ""
    """The `token` of a client whose row has none."""
    headers: dict[str, str] = {}
    cookies: dict[str, str] | None = None
    """Those that a client begins with; None: clients neither send nor keep any."""
    tls: TlsFiles | None = None
    http_proxy: str | None = None
    """http://USER:PASSWORD@HOST:PORT"""
    source_addresses: tuple[str, ...] = ()
    """Dealt round; empty: the system chooses."""
    read_every_ns: int | None = None
    """How long a slow reader lets a message wait after the one before; None: it reads as fast as they come."""
    transport: str = "picows"
    open_timeout_s: float = 30.0
    max_size: int = 1 << 20

    def identity(self, client: int) -> ClientIdentity:
        """Who client number `client` is: the same in every worker and every run."""
        row = self.accounts[client % len(self.accounts)] if self.accounts else {}
        account = {"token": self.token} | row if self.token else row
        return ClientIdentity(f"{self.plan.name}-{client}", client, self.plan.name, account, self._channels_of(client))

    def _channels_of(self, client: int) -> tuple[str, ...]:
        many = self.channels_per_client
        if many is None or many >= len(self.channels):
            return self.channels
        return tuple(self.channels[(client * many + i) % len(self.channels)] for i in range(many))
