"""Text that never shows: the values of `${secret.name}` on their way from a file or the environment to the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

MASK: Final = "***"

_SHORTEST_SECRET: Final = 4
"""A shorter one would blank out ordinary words and numbers, and protects nothing."""


@final
class Secret:
    """Text that prints as `***` wherever it is shown; `reveal()` is the only way to it.

    It is deliberately no `str`: what formats, joins or encodes text cannot take it by accident.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for what is about to send it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled; pass it on by the model's wire()")


def reveal(text: str | Secret) -> str:
    """The plain text of a leaf that may be a secret."""
    return text.reveal() if isinstance(text, Secret) else text


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced, the longest first, so that none shines through another's rest."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text
