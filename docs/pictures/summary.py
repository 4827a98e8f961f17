"""Draws `docs/images/summary.svg`, the picture at the top of the README, from the folder of a run.

.venv/bin/python docs/pictures/summary.py reports/20260101T120000Z-...
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from chaosrun.reports._terminal import render
from chaosrun.scoring.result import Result

PICTURE = Path(__file__).parents[1] / "images" / "summary.svg"
WIDTH = 100


def main() -> None:
    folder = Path(sys.argv[1])
    result = msgspec.json.decode((folder / "result.json").read_bytes(), type=Result)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(render(result, Path("reports") / folder.name, width=WIDTH, colour=True)))
    PICTURE.write_text(console.export_svg(title="make run"))


if __name__ == "__main__":
    main()
