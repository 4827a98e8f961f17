"""A page of one file that needs nothing else: no server, no network, no second file.

Its content policy lets nothing run but the scripts and styles that are in it, by their hashes, and fetch nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from chaosrun.reports._markup import Markup, join, tag


def document(title: str, body: Markup, *, styles: Sequence[str], scripts: Sequence[str] = ()) -> bytes:
    """The page.

    Args:
        body: what is in the body, before the scripts.
        styles, scripts: their texts, in order.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts, styles)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        *(tag("style", Markup(text)) for text in styles),
    )
    whole = tag("html", head, tag("body", body, *(tag("script", Markup(text)) for text in scripts)), lang="en")
    return join(Markup("<!doctype html>\n"), whole, Markup("\n")).encode()


def asset(name: str) -> str:
    """A file of ours that belongs into pages."""
    return (files("chaosrun.reports") / "page" / name).read_text("utf-8")


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Nothing but what is in the page, by its hashes."""
    allowed = [f"{what}-src {_hashes(texts)}" for what, texts in (("script", scripts), ("style", styles)) if texts]
    return "; ".join(["default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'"])


def _hashes(texts: Sequence[str]) -> str:
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)
