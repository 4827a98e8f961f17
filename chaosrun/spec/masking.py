"""Finding secrets in text of others, and blanking them out: as they are, and as programs encode them on the way.

Covered are: the text itself; escaped as in JSON, in a literal of Python, in HTML or for a shell; percent-encoded, once
or more, whole or in part; base64 of either alphabet at any place of what was encoded, as in a Basic header;
hexadecimal; each of these broken over lines, or cut off by `foreign.brief`. Of a secret of several lines each longer
line counts by itself. What is not covered: a secret that was hashed, compressed, encrypted, changed in case or cut
short by others, and one of fewer than `SHORTEST` characters.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

from chaosrun.foreign import CUT

MASK: Final = "***"

SHORTEST: Final = 4
"""A shorter one would blank out ordinary words and numbers, and protects nothing."""
_SHORTEST_BASE64: Final = 6
"""Characters that depend on the secret alone: fewer of them stand in any base64 by chance."""
_SHORTEST_LINE: Final = 8
"""Of a secret of several lines."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9]")
"""What no escape changes."""
_ENTITIES: Final = {'"': "quot", "&": "amp", "<": "lt", ">": "gt", "'": "apos"}
_CONTROLS: Final = {"\n": "n", "\r": "r", "\t": "t"}
_ESCAPE: Final = r"\\{1,8}"
"""Text that was escaped in a text that was escaped has several; without a bound, a long run of them would take its
square in time."""
_EITHER_ALPHABET: Final = {"+": r"(?:[+-]|%2[bB])", "/": r"(?:[/_]|%2[fF])"}
"""RFC 4648 4 and 5, in an address too."""
_LINE_END: Final = re.compile(r"\r?\n[ \t]*")
_BROKEN_OFF: Final = re.compile(r"[%\\&'\x80-\xff][^ ]{0,24}")
"""A place of which only the beginning is there."""
_LONGEST_PLACE: Final = 64
_LONGEST_CUT: Final = 1_000
"""Characters before the sign of a cut in which a beginning is looked for: `brief` leaves fewer."""

_Tokens = Sequence[str]
"""A text as regular expressions, one for each place in it."""


class Mask:
    """Blanks out a set of secrets. `Mask(())` changes nothing."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = tuple(sorted(set(secrets)))
        self._forms = [form for secret in self.secrets for form in map(tuple, _forms(secret))]
        source = _pattern(self._forms)
        self._in_text = re.compile(source) if source else None
        self._in_data = re.compile(source.encode(errors="surrogateescape")) if source else None

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return self._in_text is not None

    def __call__(self, text: str) -> str:
        """`text` with `***` for each secret."""
        if self._in_text is None:
            return text
        text = self._in_text.sub(MASK, text)
        text = self._over_lines(text) if "\n" in text else text
        return self._cut_off(text) if CUT in text else text

    def data(self, data: bytes) -> bytes:
        """The same of bytes that are mostly text in UTF-8; what is none stays as it is."""
        if self._in_text is None:
            return data
        return self(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def finds(self, data: bytes) -> bool:
        """Whether a secret stands in one piece in text in UTF-8."""
        return self._in_data is not None and self._in_data.search(data) is not None

    def _over_lines(self, text: str) -> str:
        """Those that a line end and an indentation stand in the middle of: found in the text without them."""
        assert self._in_text is not None
        joined, shown = "", 0
        begins, origins = [0], [0]
        """Where each line begins in `joined`, and where in `text`."""
        for end in _LINE_END.finditer(text):
            joined += text[origins[-1] : end.start()]
            begins.append(len(joined))
            origins.append(end.end())
        joined += text[origins[-1] :]
        parts = []
        for match in self._in_text.finditer(joined):
            first, last = match.start(), match.end() - 1
            here = origins[line := bisect_right(begins, first) - 1] + first - begins[line]
            there = origins[line := bisect_right(begins, last) - 1] + last - begins[line]
            parts += [text[shown:here], MASK]
            shown = there + 1
        return "".join((*parts, text[shown:]))

    def _cut_off(self, text: str) -> str:
        """Those whose rest somebody left out: of each, `SHORTEST` places and more before the sign of a cut."""
        *cut, rest = text.split(CUT)
        return CUT.join((*map(self._without_beginning, cut), rest))

    @cached_property
    def _beginnings(self) -> list[tuple[re.Pattern[str], _Tokens]]:
        return [(re.compile(f"(?={''.join(form[:SHORTEST])})"), form) for form in self._forms]

    def _without_beginning(self, text: str) -> str:
        begins = (
            match.start()
            for beginning, form in self._beginnings
            for match in beginning.finditer(text, max(0, len(text) - _LONGEST_CUT))
            if _ends_within(text, match.start(), form)
        )
        first = min(begins, default=None)
        return text if first is None else text[:first] + MASK


def _ends_within(text: str, at: int, form: _Tokens) -> bool:
    """Whether from `at` on `text` has nothing but the beginning of a secret."""
    reached = {at}
    for token in form:
        if any(place == len(text) or _BROKEN_OFF.fullmatch(text, place) for place in reached):
            return True
        reached = {
            end
            for place in reached
            for end in range(place + 1, min(place + _LONGEST_PLACE, len(text)) + 1)
            if _compiled(token).fullmatch(text, place, end)
        }
    return False


@lru_cache(maxsize=1024)
def _compiled(token: str) -> re.Pattern[str]:
    return re.compile(token)


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` without secrets that are too many to be looked for everywhere, such as the passwords of all accounts: as
    they are, in JSON, percent-encoded and in base64."""
    for secret in secrets:
        if len(secret) >= SHORTEST and text:
            quoted = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
            plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), *quoted}
            encoded = ("".join(form) for before in range(3) for form in _base64(secret.encode(), before, {}))
            for form in sorted((*plain, *encoded), key=len, reverse=True):
                text = text.replace(form, MASK)
    return text


def _forms(secret: str) -> Iterator[_Tokens]:
    """All ways in which it may stand in a text."""
    lines = [line.strip() for line in secret.splitlines()]
    texts = {secret, secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}
    for text in texts:
        if len(text) < SHORTEST:
            continue
        yield _escaped(text)
        data = text.encode(errors="surrogatepass")
        yield [_either_case(digit) for digit in data.hex()]
        for before in range(3):
            yield from _base64(data, before)


def _escaped(text: str) -> _Tokens:
    # A run of backslashes is one place: how many times each was doubled is not told apart.
    runs = re.findall(r"\\+|[^\\]", text, re.DOTALL)
    return [_backslashes(len(run)) if run[0] == "\\" else _place(run) for run in runs]


def _backslashes(count: int) -> str:
    return rf"(?:\\{{{count},{8 * count}}}+|(?:%(?:25)*5[cC]){{{count}}})"


def _place(char: str) -> str:
    """One character, however it is written."""
    if _PLAIN.fullmatch(char):
        return re.escape(char)
    data = char.encode(errors="surrogatepass")
    units = char.encode("utf-16-be", errors="surrogatepass").hex()
    written = [
        re.escape(char),
        "".join(map(_byte, data)),
        "".join(rf"{_ESCAPE}u{''.join(map(_either_case, units[at : at + 4]))}" for at in range(0, len(units), 4)),
        f"&#(?:{ord(char)}|[xX]0*{''.join(map(_either_case, f'{ord(char):x}'))});",
    ]
    if ord(char) < 256:
        written.append(_byte(ord(char)))
    if ord(char) > 0xFFFF:
        written.append(rf"{_ESCAPE}U{''.join(map(_either_case, f'{ord(char):08x}'))}")
    if char in _CONTROLS:
        written.append(f"{_ESCAPE}{_CONTROLS[char]}")
    elif ord(char) < 128:
        written.append(f"{_ESCAPE}{re.escape(char)}")
    if char in _ENTITIES:
        written.append(f"&{_ENTITIES[char]};")
    if char == " ":
        written.append(r"\+")
    if char == "'":
        written.insert(0, "'\"'\"'")  # as shlex.quote writes it
    return f"(?:{'|'.join(written)})"


def _byte(byte: int) -> str:
    """One byte of what was encoded; above ASCII also as the character of Latin-1, as which servers take UTF-8, and as
    the one that stands for a byte that is no UTF-8."""
    written = [f"%(?:25)*{_hex(byte)}", rf"{_ESCAPE}x{_hex(byte)}"]
    if byte > 127:
        written += [rf"{_ESCAPE}u00{_hex(byte)}", chr(byte), chr(0xDC00 + byte)]
    return f"(?:{'|'.join(written)})"


def _base64(data: bytes, before: int, either: Mapping[str, str] = _EITHER_ALPHABET) -> Iterator[_Tokens]:
    """As it stands in the base64 of a longer text, `before` bytes after a multiple of three; the characters at its ends
    that others have a part in are left out."""
    encoded = b64encode(bytes(before) + data).decode()
    whole = encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
    if len(whole) >= _SHORTEST_BASE64:
        yield [either.get(char, char) for char in whole]


def _hex(byte: int) -> str:
    return "".join(map(_either_case, f"{byte:02x}"))


def _either_case(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit


def _pattern(forms: Iterable[_Tokens]) -> str:
    """One expression for all, the longest first, that looks at no beginning twice: there may be a password for each of
    ten thousand accounts."""
    root: dict[str, Any] = {}
    for form in forms:
        node = root
        for token in form:
            node = node.setdefault(token, {})
        node[""] = {}
    return _alternatives(root)


def _alternatives(node: dict[str, Any]) -> str:
    straight: list[str] = []
    while len(node) == 1:
        ((token, node),) = node.items()
        straight.append(token)
    if not node:
        return "".join(straight)
    ends = "" in node
    choices = [token + _alternatives(rest) for token, rest in node.items() if token]
    return f"{''.join(straight)}(?:{'|'.join(choices)}){'?' if ends else ''}"


NO_SECRETS: Final = Mask(())
