"""Text that never shows: the values of `${secret.name}` on their way from a file or the environment to the wire."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Self, final
from urllib.parse import urlsplit

from chaosrun.spec.masking import MASK, Mask

__all__ = ["MASK", "Secret", "Veiled", "holds_secret", "leads_elsewhere", "mask", "reveal"]

_RUNS_AT_ONCE: Final = 4


@final
class Secret:
    """Text that prints as `***` wherever it is shown; `reveal()` is the only way to it.

    It is deliberately no `str`: what formats, joins or encodes text cannot take it by accident.
    """

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str, shown: str = MASK) -> None:
        """
        Args:
            shown: what prints in its place; of a text with a secret inside, all but the secret itself.
        """
        self._text = text
        self._shown = shown

    def reveal(self) -> str:
        """The text itself, for what is about to send it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({self._shown})"

    def __str__(self) -> str:
        return self._shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled; pass it on by the model's wire()")


@final
class Veiled(str):
    """An address with secrets in it. As a `str` it has `***` in their place, so that whoever judges or tells it needs
    to know nothing of them; who calls it takes `reveal()`."""

    __slots__ = ("_whole",)
    _whole: str

    def __new__(cls, shown: str, whole: str) -> Self:
        veiled = super().__new__(cls, shown)
        veiled._whole = whole
        return veiled

    def reveal(self) -> str:
        """The address itself."""
        return self._whole

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def reveal(text: str | Secret) -> str:
    """The plain text of a leaf that may be a secret, or hold one."""
    return text.reveal() if isinstance(text, Secret | Veiled) else text


_SECRET_COLUMN: Final = re.compile(r"pass|pwd|secret|token|key|credential|pin$|otp$", re.IGNORECASE)


def holds_secret(column: str) -> bool:
    """Whether the values of a column of accounts are nobody's business, by its name: `password`, `api_key`, `pin`."""
    return _SECRET_COLUMN.search(column) is not None


def leads_elsewhere(shown: str, whole: str) -> bool:
    """Whether an address with its secrets is of another host than it seems without them."""
    try:
        seen, true = urlsplit(shown), urlsplit(whole)
        return (seen.scheme, seen.hostname, seen.port) != (true.scheme, true.hostname, true.port)
    except ValueError:  # no number for a port
        return True


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced, in whichever form of `masking.Mask` it stands there."""
    return _of(frozenset(secrets))(text)


@lru_cache(_RUNS_AT_ONCE)
def _of(secrets: frozenset[str]) -> Mask:
    return Mask(secrets)
