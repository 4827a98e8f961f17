"""What a declared protocol sends: JSON, text or bytes with `{placeholders}` in it, compiled once per group."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from chaosrun.errors import UsageError

WORDS: Final = frozenset(
    ("client", "index", "group", "channel", "id", "seq", "last_seq", "unix_ms", "unix_ns", "uuid"),
)
ACCOUNT: Final = "account."

Lookup = Callable[[str], Any]
"""The value of a placeholder, with its type."""
Fill = Callable[[Lookup], Any]

# A doubled brace is a literal one. What looks like no word (a regular expression's {2,3}) is no placeholder.
_PIECE: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def is_word(name: str) -> bool:
    """A placeholder that chaosrun itself knows; any other is a capture."""
    return name in WORDS or name.startswith(ACCOUNT)


def pieces(text: str) -> tuple[str | tuple[str], ...]:
    """A text as literal parts and, each as a one-tuple, the names of its placeholders."""
    found: list[str | tuple[str]] = []
    literal, at = "", 0
    for match in _PIECE.finditer(text):
        literal += text[at : match.start()]
        at = match.end()
        name = match.group(1)
        if name is None:
            literal += match.group()[0]
            continue
        if literal:
            found.append(literal)
        found.append((name,))
        literal = ""
    literal += text[at:]
    if literal or not found:
        found.append(literal)
    return tuple(found)


class Template:
    """A value to send. `fill` gives it with every placeholder replaced; one alone in its string keeps its type."""

    def __init__(self, value: Any) -> None:
        """Raises UsageError for an unquoted placeholder or bad hexadecimal."""
        self.names = frozenset(_names(value))
        self.fill: Fill = _compile(value)

    def check(self, captured: frozenset[str], where: str) -> None:
        """Every placeholder must be a word or something that was captured before.

        Raises:
            UsageError: it is neither.
        """
        for name in sorted(self.names):
            if not is_word(name) and name not in captured:
                known = ", ".join(sorted(WORDS | captured | {"account.COLUMN"}))
                raise UsageError(
                    f"{where}: unknown {{{name}}}; known: {known}; write {{{{{name}}}}} to send it as it is"
                )


def unquoted(value: Any) -> str | None:
    """The word of an unquoted placeholder: YAML reads `{id}` as a mapping with the key `id` and no value."""
    if isinstance(value, dict) and len(value) == 1:
        ((word, nothing),) = value.items()
        if nothing is None and is_word(str(word)):
            return str(word)
    return None


def hex_bytes(value: Any) -> bytes | None:
    """The bytes of `{hex: "c0 00"}`; None: the value is something else."""
    if not (isinstance(value, dict) and set(value) == {"hex"} and isinstance(value["hex"], str)):
        return None
    try:
        return bytes.fromhex(value["hex"])
    except ValueError as error:
        raise UsageError(f"hex: {value['hex']!r} is not hexadecimal; write pairs of digits such as c0 00") from error


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (piece[0] for piece in pieces(value) if isinstance(piece, tuple))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)


def _compile(value: Any) -> Fill:
    word = unquoted(value)
    if word is not None:
        raise UsageError(f'{{{word}}} is a mapping to YAML; put the placeholder in quotes: "{{{word}}}"')
    raw = hex_bytes(value)
    if raw is not None:
        return lambda _: raw
    if isinstance(value, str):
        return _compile_text(value)
    if isinstance(value, dict):
        members = [(key, _compile(item)) for key, item in value.items()]
        return lambda lookup: {key: fill(lookup) for key, fill in members}
    if isinstance(value, list | tuple):
        items = [_compile(item) for item in value]
        return lambda lookup: [fill(lookup) for fill in items]
    return lambda _: value


def _compile_text(text: str) -> Fill:
    parts = pieces(text)
    if len(parts) == 1:
        (only,) = parts
        if isinstance(only, str):
            return lambda _: only
        name = only[0]
        return lambda lookup: lookup(name)
    return lambda lookup: "".join(part if isinstance(part, str) else str(lookup(part[0])) for part in parts)
