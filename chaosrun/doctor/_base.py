"""What a look at the machine says: what was found, whether it will do, and what it is needed for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "limited", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that experiments may need."""

    name: str
    state: State
    """`limited`: there, but less than one would wish for."""
    found: str
    """What is there, with its values; for what is limited or missing, the remedy too."""
    needed_for: str
