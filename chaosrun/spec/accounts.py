"""Tables of accounts: one row per client, given to the clients in turn."""

from __future__ import annotations

import csv
from pathlib import Path

from chaosrun.errors import UsageError
from chaosrun.spec.load import Accounts


def read_accounts(accounts: Accounts) -> tuple[dict[str, str], ...]:
    """The rows of the table, each a mapping from column to text; they may hold passwords, so show none of them.

    Raises:
        UsageError: the file cannot be read, has no rows, or a row is longer or shorter than the heading.
    """
    try:
        with Path(accounts.csv).open(newline="", encoding="utf-8-sig") as file:
            heading, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except OSError as error:
        raise UsageError(f"cannot read {accounts.csv}: {error.strerror}") from None
    except (UnicodeError, csv.Error):
        raise UsageError(f"cannot read {accounts.csv}: it is not a table of comma-separated values in UTF-8") from None
    if not rows:
        raise UsageError(f"{accounts.csv} has no rows; the first line names the columns, every other is an account")
    for number, row in enumerate(rows, 2):
        if len(row) != len(heading):
            raise UsageError(f"{accounts.csv}: row {number} has {len(row)} values for {len(heading)} columns")
    return tuple(dict(zip(heading, row, strict=True)) for row in rows)
