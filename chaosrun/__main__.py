"""`chaosrun` and `python -m chaosrun`."""

from __future__ import annotations

import sys

from chaosrun.cli import run_command_line


def main() -> None:
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
