"""The environment of chaosrun's own processes."""

from __future__ import annotations

import os
from collections.abc import Collection

from chaosrun.processes import RUN_TAG


def environment(run_dir: str, without: Collection[str]) -> dict[str, str]:
    """That of this process, with the tag of the run.

    Args:
        without: variables that secrets were read from. Who needs them is told by other ways, which nobody can list.
    """
    kept = {name: text for name, text in os.environ.items() if name not in without}
    return kept | {RUN_TAG: run_dir}
