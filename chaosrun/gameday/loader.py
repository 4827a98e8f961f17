"""Loading a game day: its own file and every experiment that it names, with all that is wrong with any of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Environment
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from chaosrun.errors import SpecError
from chaosrun.gameday.calendar import Calendar, length_told
from chaosrun.spec.check import check
from chaosrun.spec.compose import MAX_BYTES
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.gameday import DayEntry, GameDay
from chaosrun.spec.hosts import host_of
from chaosrun.spec.kinds import is_experiment
from chaosrun.spec.loader import Loaded, Named, in_order, load_experiment, variables_named
from chaosrun.spec.mount import Files, beside
from chaosrun.spec.nodes import Mapping, Mark, Node, Problem, Scalar
from chaosrun.spec.nodes import Sequence as ListNode
from chaosrun.spec.plan import planned_ns
from chaosrun.spec.reading import Unreadable, read_file
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.values import Values, variables_of

_BETWEEN: Final = re.compile(r"[/?&=:@#]+")
_SHORTEST_TOKEN: Final = 12
"""A shorter part of an address may be any word."""


@dataclass(frozen=True)
class Variant:
    """An experiment as the day will run it."""

    index: int
    entry: DayEntry
    path: Path
    """Its file, as seen from where chaosrun runs."""
    loaded: Loaded
    where: str
    """`file:line:column` of the day's file that names it."""

    def planned(self, cool_down_ns: int) -> timedelta:
        """The longest that all of its runs take when all goes as planned, with the rest between them."""
        runs = self.entry.repeat
        return timedelta(microseconds=(runs * planned_ns(self.loaded) + (runs - 1) * cool_down_ns) // 1000)


@dataclass(frozen=True)
class LoadedDay:
    """A game day with all of its experiments."""

    day: GameDay
    path: Path
    variants: tuple[Variant, ...]

    def planned(self) -> timedelta:
        """The longest that all of it takes when all goes as planned."""
        rest = timedelta(microseconds=(len(self.variants) - 1) * self.day.cool_down // 1000)
        return sum((variant.planned(self.day.cool_down) for variant in self.variants), rest)


def load_day(
    path: str | Path, *, env: Environment[str, str] = os.environ, revealed: set[str] | None = None
) -> LoadedDay:
    """The game day in a file, with every experiment that it names as it will run.

    Args:
        env: where `{env: NAME}` is looked up.
        revealed: to this each secret is added before anything is made of it.

    Raises:
        SpecError: with everything that is wrong, the day's own file first.
    """
    hidden = set() if revealed is None else revealed
    tree, day, problems = _read(str(path), env, hidden)
    told = in_order(problems)
    variants: list[Variant] = []
    # What stands in a file that cannot be read is not there to be checked; what is left of a wrong one is.
    if isinstance(tree, Mapping):
        for index, entry, node in _entries(tree):
            try:
                variants.append(_variant(index, entry, node, env, hidden))
            except SpecError as error:
                told.extend(error.problems)
    if told or day is None or not isinstance(tree, Mapping):
        raise SpecError(tuple(dict.fromkeys(told)))
    if too_long := tuple(_never(day, variants)):
        raise SpecError(too_long)
    return LoadedDay(day, Path(path), tuple(variants))


@dataclass(frozen=True)
class Outline:
    """What can be known of a day without the values of its environment, and what of the environment it needs."""

    day: GameDay
    variables: dict[str, bool]
    """Named by the day or by any of its experiments; true: needed, for without a default."""
    uses_apprise: bool
    """Somebody is told by it, for which the extra `notify` is needed."""


def outline(path: str | Path, *, env: Environment[str, str] = os.environ, revealed: set[str] | None = None) -> Outline:
    """A day as a timer needs to know it: where variables are not set, as may be where the timer is written, its
    experiments and notices are not checked.

    Raises:
        SpecError: with what is wrong with its own file, or with what its times need of the environment.
    """
    tree, day, problems = _read(str(path), env, set() if revealed is None else revealed)
    unset = {problem for problem in problems if problem.path[:1] in (("experiments",), ("notify",))}
    told = in_order([problem for problem in problems if problem not in unset or "environment" not in problem.text])
    if told or day is None or not isinstance(tree, Mapping):
        raise SpecError(told)
    variables = variables_of(tree)
    for index, entry, node in _entries(tree):
        marked = _named(index, node)
        name = beside(node.entries["file"].mark, entry.file)
        found = variables_named(name, profile=entry.profile, target=entry.target, named=marked)
        variables = {each: variables.get(each, False) or found.get(each, False) for each in (*variables, *found)}
    return Outline(day, variables, any(key == "apprise" for key, _ in _notices(tree)))


def _read(path: str, env: Environment[str, str], hidden: set[str]) -> tuple[Node | None, GameDay | None, list[Problem]]:
    problems: list[Problem] = []
    tree = Files(problems).tree(path, Mark(path))
    if not isinstance(tree, Mapping):
        if tree is not None:
            problems.append(Problem(tree.mark, (), "must be a mapping of keys to values"))
        return None, None, problems
    if is_experiment(tree):  # then nothing else need be said of it
        problems.append(Problem(tree.mark, (), f"this is an experiment, not a game day; chaosrun {path}"))
        return None, None, problems
    values = Values.of(tree, env)
    values.substitute(tree)
    problems.extend(values.problems)
    hidden |= values.revealed
    hidden |= {part for address in _addresses(tree) for part in parts_to_hide(address)}
    day = check(GameDay, tree, problems, Doubt({problem.path for problem in values.problems}))
    return tree, day, problems


def _entries(tree: Mapping) -> Iterator[tuple[int, DayEntry, Mapping]]:
    """The entries of `experiments` that are right by themselves, by their places."""
    listed = tree.entries.get("experiments")
    for index, node in enumerate(listed.items if isinstance(listed, ListNode) else ()):
        problems: list[Problem] = []
        entry = check(DayEntry, node, problems, Doubt())
        if isinstance(node, Mapping) and entry is not None and not problems:
            yield index, entry, node


def _variant(index: int, entry: DayEntry, node: Mapping, env: Environment[str, str], hidden: set[str]) -> Variant:
    """An experiment as an entry wants it.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    mark = node.entries["file"].mark
    path = beside(mark, entry.file)
    if (why := _why_not(path, mark)) is not None:
        raise SpecError([str(Problem(mark, ("experiments", index, "file"), why))])
    loaded = load_experiment(
        path, profile=entry.profile, target=entry.target, named=_named(index, node), env=env, revealed=hidden
    )
    return Variant(index, entry, Path(path), loaded, str(node.mark))


def _named(index: int, node: Mapping) -> Named:
    marks, layer = {key: child.mark for key, child in node.entries.items()}, node.entries.get("set")
    return Named(
        profile=marks.get("profile"),
        target=marks.get("target"),
        layer=layer if isinstance(layer, Mapping) else None,
        place=("experiments", index, "set"),
    )


def _why_not(path: str, mark: Mark) -> str | None:
    """Why a file cannot be an experiment of the day; None: it can."""
    if os.path.normpath(mark.file) == path:
        return "the day names itself; name the file of an experiment"
    try:
        read_file(path, MAX_BYTES)
    except Unreadable as error:
        folder = Path(path).parent
        # The method of a path raises where its name is longer than a name can be.
        beside_it = [str(other) for other in folder.glob("*.y*ml")] if os.path.isdir(folder) else []  # noqa: PTH112
        close = get_close_matches(path, beside_it, n=1)
        return f"cannot read {path}: {error}" + (f"; did you mean {close[0]}?" if close else "")
    return None


def _never(day: GameDay, variants: Sequence[Variant]) -> Iterator[str]:
    """What takes longer than any of the day's windows lasts."""
    longest = Calendar.of(day).longest()
    for variant in variants:
        needed = variant.planned(day.cool_down)
        if longest is not None and needed > longest:
            yield (
                f"{variant.where}: experiments.{variant.index}: it takes up to {length_told(needed)}, and the longest "
                f"window lasts {length_told(longest)}, so that it could never begin; widen a window, or shorten it"
            )


def _addresses(tree: Mapping) -> Iterator[str]:
    """Where notices go, as far as the file says so: it is for nobody else, however it is written."""
    for _, address in _notices(tree):
        if isinstance(address, Scalar) and isinstance(address.value, str | Secret):
            yield reveal(address.value)


def _notices(tree: Mapping) -> Iterator[tuple[str, Node]]:
    """Each kind of notice that is named, with its address, which may lack a variable here."""
    listed = tree.entries.get("notify")
    for node in listed.items if isinstance(listed, ListNode) else ():
        for key in ("webhook", "apprise"):
            address = node.entries.get(key) if isinstance(node, Mapping) else None
            if address is not None and not (isinstance(address, Scalar) and address.value is None):
                yield key, address


def parts_to_hide(address: str) -> Iterator[str]:
    """The texts by which somebody else could send to an address: all of it, and the tokens in it.

    Of a webhook the host is none: it is told where a notice went.
    """
    yield address
    host = host_of(address) if address.startswith(("http://", "https://")) else None
    for part in _BETWEEN.split(address.partition("://")[2]):
        if len(part) >= _SHORTEST_TOKEN and part.lower() not in (host, (host or "").partition(":")[0]):
            yield part
