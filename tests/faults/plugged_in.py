"""Kinds of fault that another distribution would bring, for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from types import ModuleType
from unittest.mock import patch

from chaosrun import registry
from chaosrun.records import Undo


@contextmanager
def plugged_in(kind: str, undo: Callable[[Undo], None], verify: Callable[[Undo], bool]) -> Iterator[None]:
    """`fault: KIND` is a module with these two functions, by an entry point."""
    module = ModuleType(kind)
    module.undo, module.verify = undo, verify  # type: ignore[attr-defined]
    point = EntryPoint(kind, f"somebodys_{kind}", "chaosrun.faults")
    real = registry.entry_points

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [*real(group=group), *([point] if group == point.group else [])]

    registry._kinds.cache_clear()
    try:
        with patch.dict(sys.modules, {point.value: module}), patch.object(registry, "entry_points", entry_points):
            yield
    finally:
        registry._kinds.cache_clear()
