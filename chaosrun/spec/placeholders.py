"""Placeholders in what a protocol sends and expects: `{id}`, `{account.user}`; `{{id}}` is literal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from chaosrun.spec.doubt import Finding
from chaosrun.spec.load import Group
from chaosrun.spec.nodes import Mapping, Node, Path, Scalar, walk
from chaosrun.spec.nodes import Sequence as SequenceNode
from chaosrun.spec.overrides import did_you_mean

WORDS = (
    "client",
    "index",
    "group",
    "channel",
    "id",
    "seq",
    "last_seq",
    "unix_ms",
    "unix_ns",
    "uuid",
)
"""Every placeholder but the columns of accounts and what earlier replies captured."""

POLL_WORDS = tuple(word for word in WORDS if word not in ("channel", "seq", "last_seq"))
"""Those that mean something where nothing is subscribed to."""

_GIVEN_BY = {"account": "accounts", "channel": "channels"}
"""The key of the group that gives a placeholder its values."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_CAPTURE = re.compile(r"\(\?P<([A-Za-z_][A-Za-z0-9_]*)>")
_SENT = frozenset(("send", "path", "query", "headers"))
_ASKED = frozenset(("path", "query", "headers", "json", "text"))
_RECOGNISED = frozenset(("expect", "reply", "match", "ignore"))


def words_of(text: str) -> tuple[str, ...]:
    """The placeholders of a text, without their braces."""
    return tuple(match[1] for match in _PLACEHOLDER.finditer(text) if match[1])


def template_problems(group: Group, protocol: Node, path: Path, columns: frozenset[str] | None) -> Iterator[Finding]:
    """Placeholders that do not exist, or that lack their quotes, in the tree of a group's protocol.

    A word of the user's own captures what a reply has in its place, if something else sends it.

    Args:
        path: where the protocol stands.
        columns: of the group's accounts; None: not known.
    """
    sent, recognised = list(_inside(protocol, _SENT)), list(_inside(protocol, _RECOGNISED))
    # What else has words is under keys that are misspelt: they may be those that are missed here.
    texts = [(where, _text(node)) for where, node in walk(protocol)]
    captured = {
        word for where, text in texts if _SENT.isdisjoint(where) for word in (*words_of(text), *_CAPTURE.findall(text))
    }
    used = {word for where, text in texts if _RECOGNISED.isdisjoint(where) for word in words_of(text)}
    yield from _wrong(sent, group, path, columns, (*WORDS, *sorted(captured)))
    yield from _wrong(recognised, group, path, columns, (*WORDS, *sorted(used)))


def poll_problems(group: Group, requests: Node, path: Path, columns: frozenset[str] | None) -> Iterator[Finding]:
    """The same in what pollers ask, which stands at `path`; in what they expect nothing is put in place of a word."""
    leaves = list(walk(requests))
    sent = [(where, node) for where, node in leaves if not _ASKED.isdisjoint(where) and "expect" not in where]
    yield from _wrong(sent, group, path, columns, POLL_WORDS)
    for where, node in leaves:
        word = next(iter(words_of(_text(node))), None) if "match" in where else None
        if word is not None:
            text = (
                f"{{{word}}} is put in only where something is sent; write the value, or {{{{{word}}}}} for a literal"
            )
            yield Finding((*path, *where), text)


def _wrong(
    leaves: Iterable[tuple[Path, Node]], group: Group, path: Path, columns: frozenset[str] | None, known: Sequence[str]
) -> Iterator[Finding]:
    """
    Args:
        known: every word that may stand there, but the columns of accounts.
    """
    for where, node in leaves:
        if isinstance(node, Mapping):
            word = _unquoted(node)
            if word is not None:
                yield Finding((*path, *where), f'`{{{word}}}` without quotes is a mapping; write "{{{word}}}"')
            continue
        for word in words_of(_text(node)):
            text = _wrong_word(word, group, columns, known)
            if text:
                key = _GIVEN_BY.get(word.partition(".")[0])
                yield Finding((*path, *where), text, needs=((*path[:-1], key),) if key else ())


def _wrong_word(word: str, group: Group, columns: frozenset[str] | None, known: Sequence[str]) -> str:
    if word.startswith("account."):
        column = word.removeprefix("account.")
        if columns is None or column in columns:
            return ""
        if group.accounts is None:
            return f"{{{word}}} needs a table; give the group `accounts: {{csv: FILE}}`"
        return f"the accounts have no column {column!r}{did_you_mean(column, sorted(columns))}"
    if word == "channel" and word in known and group.channels is None:
        return "{channel} needs the group's channels; give it `channels: {list: [...]}`"
    if word in known:
        return ""
    hint = did_you_mean(word, list(known))
    return f"no placeholder {{{word}}}{hint}; a literal one is {{{{{word}}}}}"


def _inside(protocol: Node, keys: frozenset[str]) -> Iterator[tuple[Path, Node]]:
    """Scalars and mappings that stand anywhere below one of `keys`."""
    for where, node in walk(protocol):
        if not keys.isdisjoint(where) and not isinstance(node, SequenceNode):
            yield where, node


def _unquoted(node: Mapping) -> str | None:
    """The word of `{id}` in flow style: one key, and nothing where its value would be."""
    if not node.flow or len(node.entries) != 1:
        return None
    ((word, value),) = node.entries.items()
    return word if isinstance(value, Scalar) and value.absent else None


def _text(node: Node) -> str:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
