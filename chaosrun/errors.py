"""The ways a run can go wrong before or beside its verdict, each with the exit code that tells it apart.

Every message keeps the value that was wrong and names the remedy.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Exit codes of `chaosrun`; the contract is in docs/result.md."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ABORTED = 4
    DIRTY = 5
    UNAVAILABLE = 69
    DEFECT = 70
    UNWRITABLE = 74
    NOT_NOW = 75


class ChaosrunError(Exception):
    """What the user can mend; its text is shown as it is, without a traceback."""

    exit = Exit.DEFECT


class UsageError(ChaosrunError):
    """The command line or a file is wrong; nothing was started."""

    exit = Exit.USAGE


class SpecError(UsageError):
    """All that is wrong with a file, its included files and its profiles, at once.

    `problems` holds one line each: `file:line:column: path: what is wrong; what would be right`.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Unavailable(ChaosrunError):
    """What the experiment needs is not here; found before any load."""

    exit = Exit.UNAVAILABLE


class Unwritable(ChaosrunError):
    """The journal, a sample file or a report could not be written."""

    exit = Exit.UNWRITABLE


class NotNow(ChaosrunError):
    """Another run holds what this one would; later it may go."""

    exit = Exit.NOT_NOW


class Dirty(ChaosrunError):
    """An undo or its verification failed: the system is not as it was found."""

    exit = Exit.DIRTY


_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def understood(error: Exception) -> Exception:
    """The same, but for a full disk: that is no defect of ours, wherever it is noticed."""
    if isinstance(error, OSError) and error.errno in _FULL:
        full = Unwritable(f"{error.strerror}; free space and try again")
        full.__cause__ = error
        return full
    return error
