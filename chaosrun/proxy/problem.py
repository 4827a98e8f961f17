"""What the API answers when it cannot do what it is asked, in the words of the original where that has them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Problem(Exception):
    """An answer with an HTTP status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def decoded(body: bytes, kind: type[T], **defaults: Any) -> T:
    """The JSON object `body` as a `kind`, over `defaults`; null counts as not given, and unknown keys do not count.

    Raises `Problem` 400 with what is wrong.
    """
    return converted(parsed(body), kind, **defaults)


def parsed(body: bytes) -> Any:
    """The JSON in `body`. Raises `Problem` 400."""
    if not body.strip():
        raise Problem(400, "bad request body: EOF")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"bad request body: {error}") from error


def converted(given: Any, kind: type[T], **defaults: Any) -> T:
    """As `decoded`, of JSON that is parsed already."""
    if given is None:
        given = {}
    if isinstance(given, dict):
        given = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise Problem(400, f"bad request body: {error}") from error
