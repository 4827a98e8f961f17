"""Kinds of fault that another distribution would bring, for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from types import ModuleType
from unittest.mock import patch

from chaosrun import registry


@contextmanager
def plugged_in(kind: str, module: ModuleType) -> Iterator[None]:
    """`fault: KIND` is this module, by an entry point."""
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
