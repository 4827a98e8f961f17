"""Where kinds are found: faults, protocols, metrics and reports, by the names of their modules.

A kind is a module of its family's package, found with `pkgutil` and imported when used; others add theirs through the
entry points `chaosrun.faults`, `chaosrun.protocols`, `chaosrun.metrics` and `chaosrun.reports`. Modules whose names
begin with an underscore are no kinds. A module of metrics offers the metrics in its `METRICS`, one or a family of
them, each by its own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any, Literal, NamedTuple, get_args

from chaosrun.errors import UsageError

Family = Literal["faults", "protocols", "metrics", "reports"]
FAMILIES: tuple[Family, ...] = get_args(Family)


class _Source(NamedTuple):
    """Where a kind comes from: a module of ours, or an entry point of another distribution."""

    name: str
    where: str
    entry_point: EntryPoint | None = None

    def load(self) -> Any:
        if self.entry_point is None:
            return import_module(self.where)
        try:
            return self.entry_point.load()
        except (ImportError, AttributeError) as error:
            of = f" of {self.entry_point.dist.name}" if self.entry_point.dist is not None else ""
            text = f"{self.name!r}{of} cannot be loaded from {self.where}: {error}; mend or uninstall its package"
            raise UsageError(text) from error


def kinds(family: Family) -> tuple[str, ...]:
    """The names of all kinds of a family, sorted.

    Raises:
        UsageError: two kinds have one name.
    """
    return tuple(sorted(_kinds(family)))


def load(family: Family, name: str) -> Any:
    """What a name stands for: the module of a fault, protocol or report, the `Metric` of a metric.

    Raises:
        UsageError: there is no such kind, with the names that there are; or two kinds have one name.
    """
    found = _kinds(family)
    if name not in found:
        raise UsageError(unknown(family, name))
    kind = found[name]
    return kind.load() if isinstance(kind, _Source) else kind


def unknown(family: Family, name: str) -> str:
    """The message for a name that nothing goes by: `no fault 'netm'; known: netem, noop; did you mean 'netem'?`."""
    known = kinds(family)
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"no {family.removesuffix('s')} {name!r}; known: {', '.join(known) or 'none'}{hint}"


@cache
def _kinds(family: Family) -> dict[str, Any]:
    """Every kind by name: a source still to be loaded, or for metrics the metric itself."""
    if family != "metrics":
        return _unique(family, ((source.name, source.where, source) for source in _sources(family)))
    return _unique(
        family,
        ((metric.name, source.where, metric) for source in _sources(family) for metric in source.load().METRICS),
    )


def _sources(family: Family) -> Iterator[_Source]:
    package = import_module(f"chaosrun.{family}")
    for module in iter_modules(package.__path__):
        if not module.name.startswith("_"):
            yield _Source(module.name, f"{package.__name__}.{module.name}")
    for point in entry_points(group=f"chaosrun.{family}"):
        yield _Source(point.name, point.value, point)


def _unique(family: Family, found: Iterator[tuple[str, str, Any]]) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, where, kind in found:
        if name in kinds:
            raise UsageError(
                f"two {family} are called {name!r}: {places[name]} and {where}; rename one or uninstall its package"
            )
        kinds[name], places[name] = kind, where
    return kinds
