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
from itertools import combinations, product
from typing import Any, Final, NamedTuple

_MOST: Final = 2000
"""Characters of an expression."""
_MANY: Final = 4
"""Turns of a repeat beyond which it counts as endless: each multiplies the ways by the length of the text."""
_IN_A_ROW: Final = 10
"""Parts of no fixed length that may match the same text: each multiplies the ways by the text's length."""
_MOST_WAYS: Final = 10
_MOST_UNITS: Final = 200
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
    if _is_long_row(parts):
        return (
            f"{text!r} has more than {_IN_A_ROW} parts of no fixed length that may match the same text; put something "
            "between them that no part can match, as in [a-z]+,[a-z]+"
        )
    if _runs_away(parts):
        return (
            f"{text!r} repeats what is itself of no fixed length, so some texts would hold it up for ever; put "
            "something between two turns that cannot be part of one, as in ([a-z]+,)*"
        )
    return None


def _runs_away(parts: list[Part], turns: int = 1) -> bool:
    """Whether there is an endless repeat whose turns cannot be told apart, within as many `turns` of others."""
    for operator, given in parts:
        repeat = operator in (_op.MAX_REPEAT, _op.MIN_REPEAT)
        within = turns * max(1, given[1]) if repeat else turns
        if repeat and within > _MANY and _is_vague(list(given[2]), again=given[1] > 1):
            return True
        if any(_runs_away(inner, within) for inner in _inside(operator, given)):
            return True
    return False


def _is_vague(turn: list[Part], *, again: bool) -> bool:
    """Whether one text can be a turn, or with `again` two turns after another, in more ways than one."""
    ways = _ways(_flat(turn))
    if len(ways) > _MOST_WAYS or any(len(way) > _MOST_UNITS for way in ways):
        return True  # nobody writes such a thing
    after = ways if again else [[]]
    return any(_in_a_row([*way, *other]) > 1 for way in ways for other in after) or any(
        _alike([*one, *then], [*other, *next_])
        for one, other in combinations(ways, 2)
        for then, next_ in product(after, after)
    )


def _is_long_row(parts: list[Part]) -> bool:
    """Whether too many parts follow one another that vary, with nothing between them that tells where one ends."""
    flat = _flat(parts)
    units = [unit for part in flat for unit in (_ways([part])[0] if part[0] is not _op.BRANCH else [_vague_unit(part)])]
    return _in_a_row(units) > _IN_A_ROW or any(_is_long_row(inner) for part in flat for inner in _inside(*part))


class _Unit(NamedTuple):
    """What stands in a row: characters, of which it takes one, or with `varies` as many as it likes."""

    letters: frozenset[int]
    varies: bool = False
    may_be_nothing: bool = False


def _ways(parts: list[Part]) -> list[list[_Unit]]:
    """The parts as rows, one for every choice."""
    ways: list[list[_Unit]] = [[]]
    for part in parts:
        operator, given = part
        one = _of_one(part)
        if one is not None:
            more = [[_Unit(one)]]
        elif operator is _op.BRANCH:
            more = [way for choice in given[1] for way in _ways(_flat(list(choice)))]
        elif operator in (_op.MAX_REPEAT, _op.MIN_REPEAT) and given[0] == given[1]:
            body = _ways(_flat(list(given[2])))
            more = [[*way, *way] for way in body] if given[1] > 1 else body
        elif operator in (_op.AT, _op.ASSERT, _op.ASSERT_NOT):
            continue
        else:
            more = [[_vague_unit(part)]]
        ways = [[*way, *end] for way in ways[: _MOST_WAYS + 1] for end in more[: _MOST_WAYS + 1]]
        if len(ways) > _MOST_WAYS or len(ways[0]) > _MOST_UNITS:
            break
    return ways


def _vague_unit(part: Part) -> _Unit:
    kept = part[0] in (_op.ATOMIC_GROUP, _op.POSSESSIVE_REPEAT)  # never split again
    return _Unit(_letters([part]), varies=not kept, may_be_nothing=not _needs(part))


def _in_a_row(row: list[_Unit]) -> int:
    """The most units that vary, overlap, and have nothing between them that none of them takes."""
    most = count = 0
    taken = frozenset[int]()
    for letters, varies, _ in row:
        if varies:
            count = count + 1 if not letters.isdisjoint(taken) else max(count, 1)
            taken |= letters
        elif letters.isdisjoint(taken):
            count, taken = 0, frozenset()
        most = max(most, count)
    return most


def _alike(one: list[_Unit], other: list[_Unit]) -> bool:
    """Whether a text can begin in both ways: no character tells which one it is."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if _first(one[place:]).isdisjoint(_first(other[place:])):
            return False
        if left.varies or right.varies:
            return True
    return True


def _first(row: list[_Unit]) -> frozenset[int]:
    """Every character that a row can begin with."""
    found = frozenset[int]()
    for unit in row:
        found |= unit.letters
        if not unit.may_be_nothing:
            break
    return found


def _flat(parts: list[Part]) -> list[Part]:
    """The parts with groups opened, but for those that are never split again."""
    flat: list[Part] = []
    for operator, given in parts:
        flat.extend(_flat(list(given[-1])) if operator is _op.SUBPATTERN else [(operator, given)])
    return flat


def _needs(part: Part) -> bool:
    """Whether it takes one character at least."""
    operator, given = part
    if operator in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT):
        return bool(given[0] > 0 and any(map(_needs, given[2])))
    if operator is _op.SUBPATTERN:
        return any(map(_needs, given[-1]))
    if operator is _op.BRANCH:
        return all(any(map(_needs, choice)) for choice in given[1])
    return _of_one(part) is not None


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
