"""Regular expressions that a user writes: that they compile, and that no text can hold one of them up for ever.

Python's engine tries every way to split a text before it gives up, and holds the whole process meanwhile: `(a+)+b` on
40 letters takes years. Such an expression repeats something that itself varies in length, with nothing between two
turns that would tell where one ends. What is refused here is that; several `.*` in a row only cost a power of the
text's length.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

_MOST: Final = 2000
"""Characters of an expression."""
_MANY: Final = 16
"""Turns of a repeat from which it counts as endless: twice as many ways with every turn."""
_LETTERS: Final = frozenset(range(256))
"""The characters that are looked at, by number: what tells two turns apart is among them."""

# The parser of `re` is no documented part of Python, but the only one that reads an expression as `re` does.
_parser: Any = importlib.import_module("re._parser")
_op: Any = importlib.import_module("re._constants")
_CATEGORIES: Final = {
    _op.CATEGORY_DIGIT: r"\d",
    _op.CATEGORY_NOT_DIGIT: r"\D",
    _op.CATEGORY_SPACE: r"\s",
    _op.CATEGORY_NOT_SPACE: r"\S",
    _op.CATEGORY_WORD: r"\w",
    _op.CATEGORY_NOT_WORD: r"\W",
}

Part = tuple[Any, Any]
"""An operator of the parser, and what it is applied to."""


def wrong_expression(text: str) -> str | None:
    """What is wrong with a regular expression, and what would be right; None: nothing."""
    if len(text) > _MOST:
        return f"an expression of {len(text)} characters; at most {_MOST}"
    try:
        re.compile(text)
        parts = list(_parser.parse(text))
    except re.error as error:
        return f"{text!r} is not a regular expression: {error}"
    except (OverflowError, RecursionError):
        return f"{text!r} is not a regular expression: its repeats are too many, or too deep within one another"
    if _runs_away(parts):
        return (
            f"{text!r} repeats what is itself of no fixed length, so some texts would hold it up for ever; put "
            "something between two turns that cannot be part of one, as in ([a-z]+,)*"
        )
    return None


def _runs_away(parts: list[Part]) -> bool:
    """Whether there is an endless repeat whose turns cannot be told apart."""
    for operator, given in parts:
        if operator in (_op.MAX_REPEAT, _op.MIN_REPEAT) and given[1] > _MANY and _is_vague(_flat(list(given[2]))):
            return True
        if any(_runs_away(inner) for inner in _inside(operator, given)):
            return True
    return False


def _is_vague(turn: list[Part]) -> bool:
    """Whether the same text can be one turn or several: it varies, and nothing in it marks where it ends."""
    varying = frozenset[int]()
    vague = False
    for operator, given in turn:
        if operator in (_op.MAX_REPEAT, _op.MIN_REPEAT) and given[0] < given[1]:
            varying |= _letters(list(given[2]))
            vague = True
        elif operator is _op.BRANCH:
            choices = [_flat(list(choice)) for choice in given[1]]
            varying |= frozenset().union(*(_letters(choice) for choice in choices))
            vague = vague or any(map(_is_vague, choices)) or _overlap(choices)
    marks = [_of_one(part) for part in turn]
    return vague and not any(mark is not None and mark.isdisjoint(varying) for mark in marks)


def _overlap(choices: list[list[Part]]) -> bool:
    """Whether two choices can begin alike, so that one may be the beginning of the other."""
    seen = frozenset[int]()
    for choice in choices:
        first = _letters(choice[:1])
        if not choice or not first.isdisjoint(seen):
            return True
        seen |= first
    return False


def _flat(parts: list[Part]) -> list[Part]:
    """The parts with groups opened, but for those that are never split again."""
    flat: list[Part] = []
    for operator, given in parts:
        flat.extend(_flat(list(given[-1])) if operator is _op.SUBPATTERN else [(operator, given)])
    return flat


def _inside(operator: Any, given: Any) -> Iterator[list[Part]]:
    if operator in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT):
        yield list(given[2])
    elif operator is _op.BRANCH:
        yield from map(list, given[1])
    elif operator in (_op.SUBPATTERN, _op.ASSERT, _op.ASSERT_NOT):
        yield list(given[-1])
    elif operator is _op.ATOMIC_GROUP:
        yield list(given)
    elif operator is _op.GROUPREF_EXISTS:
        yield from (list(choice) for choice in given[1:] if choice is not None)


def _letters(parts: list[Part]) -> frozenset[int]:
    """Every character that the parts may match."""
    found = frozenset[int]()
    for operator, given in parts:
        one = _of_one((operator, given))
        if one is not None:
            found |= one
        elif operator in (_op.GROUPREF, _op.GROUPREF_EXISTS):
            return _LETTERS
        else:
            found = found.union(*(_letters(inner) for inner in _inside(operator, given)))
    return found


def _of_one(part: Part) -> frozenset[int] | None:
    """The characters that a part for exactly one of them matches; None: it is for more, or for less."""
    operator, given = part
    if operator is _op.LITERAL:
        return _both_cases(given)
    if operator is _op.NOT_LITERAL:
        return _LETTERS - {given}
    if operator is _op.ANY:
        return _LETTERS - {ord("\n")}
    if operator is _op.IN:
        return _of_set(given)
    return None


def _of_set(members: list[Part]) -> frozenset[int]:
    found = frozenset[int]()
    for operator, given in members:
        if operator is _op.LITERAL:
            found |= _both_cases(given)
        elif operator is _op.RANGE:
            low, high = given
            found = found.union(*map(_both_cases, range(low, min(high, 255) + 1)))
        elif operator is _op.CATEGORY:
            found |= frozenset(code for code in _LETTERS if re.match(_CATEGORIES[given], chr(code)))
    return _LETTERS - found if members[0][0] is _op.NEGATE else found


def _both_cases(code: int) -> frozenset[int]:
    """The flags may say that they are the same."""
    return frozenset((code, ord(chr(code).swapcase()[0])))
