"""How a declared protocol recognises messages: patterns over JSON fields, text or bytes, compiled once per group.

A pattern first recognises a message (`view`: everything in it that is literal), then checks what must equal a value
that was sent (`echoes`), and captures the rest. So a reply that is recognised and echoes the wrong value is a bad
reply, not an unknown message.
"""

# ruff: noqa: ARG002 - a pattern without placeholders has nothing to echo or capture

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from chaosrun.errors import UsageError
from chaosrun.protocols._message import MISSING, UNREADABLE, Get, Reader, segments
from chaosrun.protocols._template import Fill, Lookup, Template, hex_bytes, is_word, pieces, unquoted
from chaosrun.protocols._values import integer
from chaosrun.spec.expression import wrong_expression

NO_VIEW: Final = None


class Pattern(ABC):
    """`words`: the known placeholders whose value must be echoed; `captures`: the names it captures."""

    words: frozenset[str] = frozenset()
    captures: frozenset[str] = frozenset()
    key: tuple[str, Any] | None = None
    """A top-level field and the literal it must have, where there is one: for quick selection."""

    @abstractmethod
    def view(self, message: Any) -> Any:
        """What the fields of a recognised message are looked up in; NO_VIEW: it is another message."""

    def echoes(self, view: Any, lookup: Lookup) -> bool:
        """Every placeholder has the value that was sent."""
        return True

    def captured(self, view: Any) -> dict[str, Any]:
        return {}

    def token(self, view: Any) -> int | None:
        """The value where the pattern has `{id}`."""
        return None


class FieldsPattern(Pattern):
    """A mapping: each path has the value given; other fields are allowed; null is present and null."""

    def __init__(self, value: dict[str, Any], reader: Reader, key: str | None) -> None:
        self._literals: list[tuple[Get, Any]] = []
        self._echoes: list[tuple[Get, Fill]] = []
        self._captures: list[tuple[Get, str]] = []
        self._token: tuple[Get, re.Pattern[str] | None] | None = None
        words: set[str] = set()
        for path, want in leaves(value):
            get = reader.getter(path)
            template = Template(want)
            free = {name for name in template.names if not is_word(name)}
            if "id" in template.names and isinstance(want, str):
                self._token = (get, _id_regex(want))
            if free:
                name = next(iter(free))
                if want != f"{{{name}}}":
                    raise UsageError(f"{path}: {{{name}}} captures a whole value; it cannot stand beside other text")
                self._captures.append((get, name))
            elif template.names:
                words |= template.names
                self._echoes.append((get, template.fill))
            elif path == key and isinstance(want, str):
                self.key = (path, want)
            else:
                self._literals.append((get, template.fill(_nothing)))
        self.words = frozenset(words)
        self.captures = frozenset(name for _, name in self._captures)

    def view(self, message: Any) -> Any:
        for get, want in self._literals:
            if not _same(get(message), want):
                return NO_VIEW
        for get, _ in self._captures:
            if get(message) is MISSING:
                return NO_VIEW
        return message

    def echoes(self, view: Any, lookup: Lookup) -> bool:
        return all(_same(get(view), fill(lookup)) for get, fill in self._echoes)

    def captured(self, view: Any) -> dict[str, Any]:
        return {name: get(view) for get, name in self._captures}

    def token(self, view: Any) -> int | None:
        if self._token is None:
            return None
        get, regex = self._token
        value = get(view)
        if regex is not None and isinstance(value, str):
            match = regex.fullmatch(value)
            return integer(match["id"]) if match else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None


class WholePattern(Pattern):
    """A JSON value that is no mapping: the message equals it."""

    def __init__(self, value: Any) -> None:
        template = Template(value)
        self.words = template.names
        self._fill = template.fill
        self._want = None if self.words else template.fill(_nothing)

    def view(self, message: Any) -> Any:
        return [message] if self.words or _same(message, self._want) else NO_VIEW

    def echoes(self, view: Any, lookup: Lookup) -> bool:
        return _same(view[0], self._fill(lookup))


class TextPattern(Pattern):
    """A regular expression with named groups, found anywhere in the text; placeholders match what they were sent as."""

    def __init__(self, text: str, json_groups: frozenset[str]) -> None:
        """Raises UsageError if the expression cannot be compiled."""
        self._json_groups = json_groups
        words: list[str] = []
        source = ""
        for match in re.finditer(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}|[^{]+|\{", text):
            word = match.group(1)
            if word is None:
                source += match.group()
                continue
            if not is_word(word):
                raise UsageError(f"unknown {{{word}}} in {text!r}; a capture is a named group: (?P<{word}>...)")
            source += f"(?P<_{len(words)}>.+?)"
            words.append(word)
        wrong = wrong_expression(source)
        if wrong is not None:
            raise UsageError(wrong)
        self._regex = re.compile(source)
        self._words = words
        self.words = frozenset(words)
        self.captures = frozenset(name for name in self._regex.groupindex if not name.startswith("_"))

    def view(self, message: Any) -> Any:
        match = self._regex.search(message)
        if match is None:
            return NO_VIEW
        groups: dict[str, Any] = {name: text for name, text in match.groupdict().items() if text is not None}
        for name in self._json_groups & groups.keys():
            try:
                groups[name] = msgspec.json.decode(groups[name])
            except UNREADABLE:
                return NO_VIEW
        return groups

    def echoes(self, view: Any, lookup: Lookup) -> bool:
        return all(view[f"_{place}"] == str(lookup(word)) for place, word in enumerate(self._words))

    def captured(self, view: Any) -> dict[str, Any]:
        return {name: view[name] for name in self.captures if name in view}

    def token(self, view: Any) -> int | None:
        if "id" not in self.words:
            return None
        text: str = view[f"_{self._words.index('id')}"]
        return integer(text)


class BytesPattern(Pattern):
    """The first bytes of a binary message."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix

    def view(self, message: Any) -> Any:
        return message if message.startswith(self._prefix) else NO_VIEW


def compile_pattern(
    value: Any, encoding: str, reader: Reader, *, key: str | None = None, json_groups: frozenset[str] = frozenset()
) -> Pattern:
    """The pattern that `value` means in this encoding.

    Args:
        key: the top-level field by which messages are selected first; a literal there is left to that selection.

    Raises:
        UsageError: it is no pattern of this encoding.
    """
    word = unquoted(value)
    if word is not None:
        raise UsageError(f'{{{word}}} is a mapping to YAML; put the placeholder in quotes: "{{{word}}}"')
    if encoding == "json":
        return FieldsPattern(value, reader, key) if isinstance(value, dict) else WholePattern(value)
    if encoding == "text":
        if not isinstance(value, str):
            raise UsageError(f"{value!r}: a text message is matched by a regular expression")
        return TextPattern(value, json_groups)
    prefix = hex_bytes(value)
    if prefix is None and not isinstance(value, str):
        raise UsageError(f'{value!r}: a binary message is matched by its first bytes; write {{hex: "c0 00"}} or text')
    return BytesPattern(prefix if prefix is not None else value.encode())


def leaves(value: dict[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """`(path, wanted)` of a mapping, where nested mappings are paths too."""
    for name, item in value.items():
        path = f"{at}{name}"
        word = unquoted(item)
        if word is not None:
            raise UsageError(f'{path}: {{{word}}} is a mapping to YAML; put the placeholder in quotes: "{{{word}}}"')
        if isinstance(item, dict) and item:
            yield from leaves(item, f"{path}.")
        else:
            yield path, item


def tops(value: Any) -> Iterator[str]:
    """The top-level fields that a JSON pattern looks at."""
    if isinstance(value, dict):
        yield from (segments(path)[0] for path, _ in leaves(value))


def _same(got: Any, want: Any) -> bool:
    """JSON equality: 1 equals 1.0, but true is not 1."""
    return bool(got == want) and (got is want or isinstance(got, bool) == isinstance(want, bool))


def _id_regex(want: str) -> re.Pattern[str] | None:
    """For an id that was sent inside a longer string: where to find it again."""
    parts = pieces(want)
    source = "".join(
        re.escape(part) if isinstance(part, str) else (r"(?P<id>\d+)" if part == ("id",) else ".*") for part in parts
    )
    return None if parts == (("id",),) else re.compile(source)


def _nothing(name: str) -> Any:
    raise AssertionError(f"a literal has no {name}")
