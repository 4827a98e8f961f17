"""What the pollers of one group ask, and whether they were answered as they should be: HTTP without a socket.

Compiled once per group from `spec.http`, and shared by all of its clients and by the prober.
"""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols._message import MISSING, UNREADABLE, Get, ObjectReader, Reader, segments
from chaosrun.protocols._pattern import FieldsPattern, tops
from chaosrun.protocols._speech import fixed_value
from chaosrun.protocols._template import Template
from chaosrun.protocols._turns import Turns
from chaosrun.spec.http import HttpExpect, HttpRequest, Polls
from chaosrun.spec.secret import reveal

_SAFE: Final = "/%:@!$&'()*+,;=~-._?"
_ENDS_A_LINE: Final = re.compile(r"[\x00\r\n]")
_OWN_HEADERS: Final = (("User-Agent", "chaosrun"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, deflate"))
"""What every client says that is asked for nothing else: a browser takes compressed answers."""
_IDEMPOTENT: Final = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS"))
"""RFC 9110 9.2.2: to do it twice is to do it once."""


class Unaskable(Exception):
    """What an account or a placeholder brings cannot be said in HTTP."""


class Question(NamedTuple):
    """One request of one client, ready to be written."""

    method: str
    data: bytes
    repeatable: bool
    """It may be sent again where nobody knows whether it was heard."""
    path: str


class Polling:
    """All requests of a group."""

    def __init__(self, requests: Sequence[HttpRequest]) -> None:
        self._polls = tuple(_Poll(request) for request in requests)
        self.requests = tuple(poll.name for poll in self._polls)
        self.pick = Turns([request.weight for request in requests]).pick

    @classmethod
    def from_wire(cls, text: str) -> Polling:
        """Of `spec.http.Polls`, as `wire()` has it."""
        return cls(Polls.from_wire(text).http)

    def ask(self, which: int, asker: Asker, token: int, now: int) -> Question:
        """Request number `which`.

        Raises:
            Unaskable: a value would break the request.
        """
        return self._polls[which].question(asker, token, now)

    def needs_body(self, which: int) -> bool:
        """The answer is judged by more than its status."""
        return self._polls[which].judge is not None

    def wrong(self, which: int, status: int, body: bytes, encoding: str) -> Wrong | None:
        """What is wrong with an answer; None: nothing.

        Args:
            body: all of it; empty where `needs_body` is false.
            encoding: of the body, as its header says.
        """
        return self._polls[which].wrong(status, body, encoding)


class Asker:
    """Who asks, and of whom."""

    def __init__(
        self,
        identity: ClientIdentity,
        clocks: Clocks,
        url: str,
        headers: Iterable[tuple[str, str]],
        cookies: Callable[[str], str] | None = None,
    ) -> None:
        """
        Args:
            url: of the target, without a user; its query goes with every request.
            headers: said with every request; a request's own win.
            cookies: what is said of cookies to a path, beside what the headers say of them; None: nothing.
        """
        self.cookies = cookies
        parts = urlsplit(url)
        self.identity = identity
        self.query = parts.query
        self.headers = (("Host", parts.netloc), *_OWN_HEADERS, *headers)
        self._clocks = clocks

    def value(self, name: str, token: int, now: int) -> Any:
        """What a placeholder stands for."""
        match name:
            case "id":
                return token
            case "unix_ms":
                return self._clocks.unix_ns(now) // 1_000_000
            case "unix_ns":
                return self._clocks.unix_ns(now)
            case "uuid":
                return str(uuid.uuid4())
        return fixed_value(self.identity, name)


class Wrong(NamedTuple):
    """An answer that is an error: by its `status`, or by its `body`."""

    how: str
    detail: str


class _Poll:
    def __init__(self, request: HttpRequest) -> None:
        self.name = request.called()
        self._method = request.method
        self._path = Template(reveal(request.path))
        self._query = Template({name: reveal(value) for name, value in request.query.items()})
        self._headers = Template({name: reveal(value) for name, value in request.headers.items()})
        self._body, self._type = _body_of(request)
        self._statuses = _statuses_of(request.expect)
        self._expected = ", ".join(map(str, request.expect.status))
        wants_body = request.expect.keys or request.expect.match is not None
        self.judge = _BodyJudge(request.expect) if wants_body else None

    def question(self, asker: Asker, token: int, now: int) -> Question:
        def lookup(name: str) -> Any:
            return asker.value(name, token, now)

        target = quote(str(self._path.fill(lookup)), safe=_SAFE)
        query = "&".join(piece for piece in (asker.query, urlencode(self._query.fill(lookup))) if piece)
        if query:
            target += f"{'&' if '?' in target else '?'}{query}"
        said = {name.lower(): (name, value) for name, value in asker.headers}
        said |= {name.lower(): (name, str(value)) for name, value in self._headers.fill(lookup).items()}
        path = target.partition("?")[0]
        if asker.cookies is not None and (cookies := asker.cookies(path)):
            own = said.get("cookie")
            said["cookie"] = "Cookie", f"{own[1]}; {cookies}" if own is not None else cookies
        body = b""
        if self._body is not None:
            body = self._body(lookup)
            said.setdefault("content-type", ("Content-Type", self._type))
            said["content-length"] = "Content-Length", str(len(body))
        lines = [f"{self._method} {target} HTTP/1.1", *(f"{name}: {_line(name, text)}" for name, text in said.values())]
        head = "\r\n".join((*lines, "", ""))
        return Question(self._method, head.encode() + body, self._method in _IDEMPOTENT, path)

    def wrong(self, status: int, body: bytes, encoding: str) -> Wrong | None:
        if status not in self._statuses:
            return Wrong("status", f"{self.name}: status {status}, not {self._expected}")
        told = self.judge.wrong(body, encoding) if self.judge is not None else ""
        return Wrong("body", f"{self.name}: {told}") if told else None


def _line(name: str, text: str) -> str:
    if _ENDS_A_LINE.search(text):
        raise Unaskable(f"the value of header {name} is of more than one line")
    return text


def _body_of(request: HttpRequest) -> tuple[Callable[[Callable[[str], Any]], bytes] | None, str]:
    if request.text is not None:
        text = Template(reveal(request.text))
        return lambda lookup: str(text.fill(lookup)).encode(), "text/plain; charset=utf-8"
    if request.json_ is not None:
        tree = Template(request.json_)
        return lambda lookup: msgspec.json.encode(tree.fill(lookup)), "application/json"
    return None, ""


def _statuses_of(expect: HttpExpect) -> frozenset[int]:
    found: set[int] = set()
    for each in expect.status:
        first = int(str(each)[0]) * 100
        found |= {each} if isinstance(each, int) else set(range(first, first + 100))
    return frozenset(found)


class _BodyJudge:
    """Looks for keys and values in the JSON of a body, of which only what it looks at is decoded."""

    def __init__(self, expect: HttpExpect) -> None:
        match = expect.match or {}
        wanted = {segments(path)[0] for path in expect.keys} | set(tops(match))
        plain = any(top.lstrip("-").isdigit() for top in wanted)
        self._reader = Reader("json") if plain else ObjectReader(wanted)
        self._keys: list[tuple[str, Get]] = [(path, self._reader.getter(path)) for path in expect.keys]
        self._match = FieldsPattern(match, self._reader, None) if match else None
        self._written = msgspec.json.encode(match).decode()

    def wrong(self, body: bytes, encoding: str) -> str:
        """What is wrong; empty: nothing."""
        try:
            message = self._reader.read(_unpacked(body, encoding))
        except _NotUnpacked as error:
            return str(error)
        except UNREADABLE:
            return "the body is not JSON that can be looked into"
        missing = [path for path, get in self._keys if get(message) is MISSING]
        if missing:
            return f"the body has no {', '.join(map(repr, missing))}"
        if self._match is not None and self._match.view(message) is None:
            return f"the body does not match {self._written}"
        return ""


class _NotUnpacked(Exception):
    pass


LONGEST_UNPACKED: Final = 64 << 20
"""Of a body: a few bytes may be unpacked to any number of them."""


def _unpacked(body: bytes, encoding: str) -> bytes:
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise _NotUnpacked(f"the body is packed by {encoding!r}, which was not asked for")
    # RFC 9110 8.4.1.2: `deflate` has zlib's frame, which some servers leave out.
    bare = coding == "deflate" and not (
        len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    )
    unpack = zlib.decompressobj(-zlib.MAX_WBITS if bare else 32 + zlib.MAX_WBITS)
    try:
        found = unpack.decompress(body, LONGEST_UNPACKED)
    except zlib.error:
        raise _NotUnpacked(f"the body is not {coding}, as its header says") from None
    if unpack.unconsumed_tail:
        raise _NotUnpacked(f"the body is of more than {LONGEST_UNPACKED >> 20} MiB once it is unpacked")
    return found
