"""Output streams whose reader has gone."""

from __future__ import annotations

import os
from io import UnsupportedOperation
from typing import TextIO


def silence(stream: TextIO) -> None:
    """Let later writes, the interpreter's last flush among them, go nowhere instead of failing again.

    A last flush that fails would turn the exit code of the run into 120.
    """
    try:
        descriptor = stream.fileno()
    except (UnsupportedOperation, ValueError):
        return  # no file behind it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
