"""The types of a target's proxy: which Toxiproxy the run goes through, and what leads through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from chaosrun.spec.base import TAG, Broken, Many, Model, Name

ENTRY = "server"
"""The link that clients take."""

HostPort = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}$")]
"""`127.0.0.1:9000`, `bridge:9101`, `[::1]:9000`."""


class ProxyLink(Model):
    """A way into one role that leads through the proxy."""

    role: Name
    listen: HostPort | None = None
    """Where the proxy listens. None: on a free port of the host at which its API is."""
    upstream: HostPort | None = None
    """Where it leads to, as the proxy itself sees it. None: where the clients would go without it."""


def _link_kind(value: object) -> str:
    return TAG + ("role" if isinstance(value, str) else "link")


RoleOrLink = Annotated[
    Annotated[ProxyLink, Tag(TAG + "link")] | Annotated[Name, Tag(TAG + "role")], Discriminator(_link_kind)
]


class Proxy(Model):
    """The proxy that load and prober go through for the whole run, baseline included."""

    toxiproxy: Annotated[
        str, Field(pattern=r"^(auto|binary|embedded|https?://[^\s/@?#]+/?)$", examples=["http://127.0.0.1:8474"])
    ] = "auto"
    """`auto`: the server that TOXIPROXY_URL names, else `toxiproxy-server` on PATH, else the embedded one."""
    links: Annotated[Many[RoleOrLink], Field(min_length=1)] = (ENTRY,)
    """`server` is the clients' way in."""

    def all_links(self) -> tuple[ProxyLink, ...]:
        """The links, short forms written out."""
        return tuple(ProxyLink(role=link) if isinstance(link, str) else link for link in self.links)

    def rules(self) -> Iterator[Broken]:
        roles = [link.role for link in self.all_links()]
        twice = next((role for role in roles if roles.count(role) > 1), None)
        if twice is not None:
            yield Broken(f"two links lead to {twice!r}; a role has one", ("links",))
