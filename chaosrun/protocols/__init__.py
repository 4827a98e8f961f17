"""Conversations sans I/O, one file each; `find` turns the reference that a user writes into a `Protocol`."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points

from chaosrun.errors import UsageError
from chaosrun.protocols._base import Protocol

ENTRY_POINTS = "chaosrun.protocols"
NOT_KINDS = ("yaml",)
"""Modules here that are not a protocol by themselves: the declarative one needs its mapping."""


def names() -> tuple[str, ...]:
    """The built-in protocols and those that installed packages add."""
    built_in = {module.name for module in pkgutil.iter_modules(__path__)}
    built_in = {name for name in built_in if not name.startswith("_") and name not in NOT_KINDS}
    return tuple(sorted(built_in | {point.name for point in entry_points(group=ENTRY_POINTS)}))


def find(reference: str) -> Protocol:
    """The protocol that `reference` means: a built-in or installed name, `package.module:Class`, or YAML as JSON.

    Raises UsageError, naming the known ones, when there is none.
    """
    if reference.startswith("{"):
        from chaosrun.protocols.yaml import from_json  # noqa: PLC0415 - costs pydantic's import

        return from_json(reference)
    made = _load(reference)()
    if not isinstance(made, Protocol):
        raise UsageError(f"{reference} is a {type(made).__name__}, not a subclass of chaosrun.protocols._base.Protocol")
    return made


def _load(reference: str) -> type:
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    try:
        if ":" in reference:
            module, _, name = reference.partition(":")
            return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]  # checked by find
        if reference in installed:
            return installed[reference].load()  # type: ignore[no-any-return]  # checked by find
        if reference in names():
            return importlib.import_module(f"{__name__}.{reference}").PROTOCOL  # type: ignore[no-any-return]  # as above
    except (ImportError, AttributeError) as error:
        raise UsageError(f"protocol {reference} cannot be imported: {error}") from error
    raise UsageError(f"no protocol {reference!r}; known: {', '.join(names())}, or package.module:Class, or a YAML file")
