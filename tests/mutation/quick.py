"""The tests as a mutation run needs them: the quickest first, few examples, the same ones every time.

`run.py` lays this file into its copy of the project as the `conftest.py` of the root.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

EXAMPLES = 6
"""Of each property: one mutant after another is tried on the same ones."""

LEFT_OUT = re.compile(
    r"(brute_force_on_a_sample|second_scorer_id_by_id)\[[1-9]"
    r"|the_truth_lies_within_the_printed_error(?!\[0.5-freeze)"
)
"""One block of seeds of each comparison with a brute-force scorer is enough, and one kind of outage."""

DURATIONS = Path("mutmut-stats.json")


def pytest_sessionstart() -> None:
    """Forget what the unmutated code, which was run in the process that this one was forked from, has cached."""
    for name, module in list(sys.modules.items()):
        if name.startswith("chaosrun.scoring."):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("slow") or LEFT_OUT.search(item.nodeid)]
    config.hook.pytest_deselected(items=left_out)
    known = json.loads(DURATIONS.read_text())["duration_by_test"] if DURATIONS.exists() else {}
    # What kills a mutant is found soonest where the cheap tests come first.
    items[:] = sorted((item for item in items if item not in left_out), key=lambda item: known.get(item.nodeid, 0.0))
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item.obj, "hypothesis"):
            few(item.obj)


def few(test: object) -> None:
    """Few examples, derandomised, and no search for the smallest that fails: that it fails is all that counts."""
    name = "_hypothesis_internal_use_settings"
    asked = getattr(test, name, settings.default)
    examples = min(EXAMPLES, asked.max_examples)
    quick = settings(
        asked,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
    )
    setattr(test, name, quick)
