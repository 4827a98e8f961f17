"""Small experiments as text, for the tests of the format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from chaosrun.errors import SpecError
from chaosrun.spec.loader import Loaded, load_experiment

BASE = """\
title: t
steady_state:
  load:
    accounts: {protocol: mt5, clients: 300, requests: 1/s}
target: {reference: mt5-bridge}
"""

Load = Callable[..., Loaded]
Problems = Callable[..., tuple[str, ...]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load `text` (appended to BASE, or alone with `base=""`) as e.yaml of an empty folder, with further files."""
    monkeypatch.chdir(tmp_path)

    def load_text(
        text: str = "", *, base: str = BASE, files: dict[str, str] | None = None, **options: object
    ) -> Loaded:
        for name, content in {"e.yaml": base + dedent(text), **(files or {})}.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(dedent(content))
        return load_experiment("e.yaml", **{"env": {}, **options})  # type: ignore[arg-type]  # passed on as given

    return load_text


@pytest.fixture
def problems(load: Load) -> Problems:
    """The problems of what `load` would load; none if it is right."""

    def problems_of(*args: object, **options: object) -> tuple[str, ...]:
        try:
            load(*args, **options)
        except SpecError as error:
            return error.problems
        return ()

    return problems_of
