"""Tables of accounts: one row per client, given to the clients in turn."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Final

from chaosrun.errors import UsageError
from chaosrun.spec.load import Accounts
from chaosrun.spec.reading import Unreadable, read_file

_MAX_BYTES: Final = 16 * 2**20
_MAX_VALUES: Final = 500_000
"""Of all rows together: a hundred thousand accounts of five columns."""


def read_accounts(accounts: Accounts) -> tuple[dict[str, str], ...]:
    """The rows of the table, each a mapping from column to text; they may hold passwords, so show none of them.

    Raises:
        UsageError: the file cannot be read, has no rows, has a column twice, or a row is longer or shorter than the
            heading; or it is larger than any load needs.
    """
    name = accounts.csv
    try:
        return _rows(name, read_file(name, _MAX_BYTES))
    except Unreadable as error:
        raise UsageError(f"cannot read {name}: {error}") from None
    except (UnicodeError, csv.Error):
        raise UsageError(f"cannot read {name}: it is not a table of comma-separated values in UTF-8") from None


def _rows(name: str, content: bytes) -> tuple[dict[str, str], ...]:
    if b"\0" in content:
        raise UsageError(f"cannot read {name}: it holds a zero byte, and is no table; save it as text in UTF-8")
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
    heading = next((line for line in lines if line), [])
    twice = next((column for column, times in Counter(heading).items() if times > 1), None)
    if twice is not None:
        raise UsageError(f"{name}: two columns are called {twice!r}; give each a name of its own")
    rows: list[dict[str, str]] = []
    for line in lines:
        if not line:
            continue
        if len(line) != len(heading):
            raise UsageError(
                f"{name}: row {len(rows) + 2} has {len(line)} values for {len(heading)} columns; a value that holds a "
                'comma needs "quotes"'
            )
        rows.append(dict(zip(heading, line, strict=True)))
        if len(rows) * len(heading) > _MAX_VALUES:
            raise UsageError(f"{name} has more than {_MAX_VALUES} values; take out the rows that no client needs")
    if not rows:
        raise UsageError(f"{name} has no rows; the first line names the columns, every other is an account")
    return tuple(rows)
