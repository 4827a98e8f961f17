"""Whether the clients of a group can get to the service in the way that they are told to."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.spec.doubt import Finding
from chaosrun.spec.load import Group
from chaosrun.spec.nodes import Path
from chaosrun.spec.proxy import ENTRY
from chaosrun.spec.target import Target
from chaosrun.spec.tls import TlsFiles, Unfit, context_of


def connecting_problems(path: Path, group: Group, target: Target | None) -> Iterator[Finding]:
    """What is wrong with the way of the group at `path`.

    Args:
        target: None: it is not known.
    """
    if group.tls is not None:
        files = group.tls.files()
        for part in (TlsFiles(ca=files.ca), TlsFiles(cert=files.cert, key=files.key)):
            try:
                context_of(part)
            except Unfit as error:
                yield Finding((*path, "tls", error.key), str(error))
    if target is None:
        return
    if group.tls is not None and (target.url is None or not target.url.startswith("wss:")):
        what = "a reference service speaks no TLS" if target.url is None else f"{target.url} is without TLS"
        text = f"{what}; take `tls` out, or name a target whose `url` begins with wss:// or https://"
        yield Finding((*path, "tls"), text, needs=(("target", "url"), ("target", "reference")))
    links = target.proxy.all_links() if target.proxy is not None else ()
    if group.http_proxy is not None and any(link.role == ENTRY for link in links):
        text = "the clients go to the service through the target's `proxy`, and have no way left through another one"
        yield Finding((*path, "http_proxy"), f"{text}; take one of them out", needs=(("target", "proxy"),))
