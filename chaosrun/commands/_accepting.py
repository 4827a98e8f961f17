"""`chaosrun history EXPERIMENT --accept WHY` and `--revoke`: slower is the new normal, or is not after all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chaosrun.commands._session import Session
from chaosrun.errors import UsageError
from chaosrun.reports._safe_text import clean

if TYPE_CHECKING:
    from chaosrun.history.accepted import Acceptance
    from chaosrun.history.trends import History, Line


def refuse_senseless(experiment: str | None, accept: str | None, *, revoke: bool) -> None:
    """Raises: UsageError: it is not said of what, or why, or both are asked for."""
    if accept is None and not revoke:
        return
    from chaosrun.history.accepted import LONGEST  # noqa: PLC0415 - what --help has no use for

    option = "--revoke" if accept is None else "--accept"
    if accept is not None and revoke:
        raise UsageError("--accept and --revoke: say only one")
    if experiment is None:
        raise UsageError(f"{option} is about one experiment; name it, as in chaosrun history my.yaml {option}")
    if accept is not None and not accept.strip():
        raise UsageError('--accept: say why it is meant to be so, as in --accept "TLS since 2.4"')
    if accept is not None and len(accept) > LONGEST:
        raise UsageError(f"--accept: {len(accept)} characters; a reason has at most {LONGEST}")


def accept_line(session: Session, found: History, why: str) -> None:
    """Accept what is flagged of the one line that is shown.

    Raises:
        UsageError: there are more lines, or nothing of it is flagged.
        Unwritable: it cannot be kept.
    """
    from chaosrun.history.accepted import (  # noqa: PLC0415 - only when asked
        UNDATED,
        Acceptance,
        moment,
        write_accepted,
    )

    line = _the_one(found, "--accept")
    flagged = [trend for trend in line.trends if trend.verdict == "regression"]
    if not flagged:
        names = " and ".join(trend.name for trend in line.trends)
        raise UsageError(
            f"{_told(line)}: nothing is to be accepted, for its newest runs were not found worse by {names}; "
            "another number is looked at with --metric"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for trend in flagged:
        began = next(run.started_at for run in trend.runs if run.place == trend.since)
        if moment(began) == UNDATED:
            raise UsageError(f"{trend.since}: nobody can read when it began ({began!r}); nothing was accepted")
        folder = Path(found.folder) / trend.newest[-1]
        said = Acceptance(since=began, why=why.strip().encode(errors="backslashreplace").decode(), accepted_at=now)
        write_accepted(folder, _kept(folder) | {trend.name: said})
        session.tell(clean(f"accepted: {trend.name} as it is since {trend.since}; it is kept in {folder}"))


def revoke_line(session: Session, found: History) -> None:
    """Take back what was accepted last of the one line that is shown.

    Raises:
        UsageError: there are more lines, or nothing was accepted.
        Unwritable: it cannot be taken back.
    """
    from chaosrun.history.accepted import write_accepted  # noqa: PLC0415 - only when asked

    line = _the_one(found, "--revoke")
    accepted = [(trend.name, trend.accepted[-1]) for trend in line.trends if trend.accepted]
    if not accepted:
        names = " and ".join(trend.name for trend in line.trends)
        raise UsageError(f"{_told(line)}: nothing was accepted of {names}; another number is looked at with --metric")
    for name, last in accepted:
        folder = Path(found.folder) / last.until
        left = {other: said for other, said in _kept(folder).items() if other != name}
        write_accepted(folder, left)
        session.tell(clean(f"revoked: {name} as it is since {last.since} ({last.why})"))


def _kept(folder: Path) -> dict[str, Acceptance]:
    """What was accepted with a run before.

    Raises:
        UsageError: it cannot be read; it is not to be written over.
    """
    from chaosrun.history.accepted import read_accepted  # noqa: PLC0415 - only when asked

    try:
        return read_accepted(folder)
    except ValueError as error:
        raise UsageError(clean(f"{folder}/{error}; mend or remove the file")) from error


def _the_one(found: History, option: str) -> Line:
    """Raises: UsageError: there are several."""
    if len(found.lines) == 1:
        return found.lines[0]
    listed = "\n".join(f"  {_told(line)}" for line in found.lines)
    raise UsageError(
        f"{option} is about one line of the history, and {len(found.lines)} are meant; name one by the "
        f"eight characters of its conditions:\n{listed}"
    )


def _told(line: Line) -> str:
    profile = f", profile {line.profile}" if line.profile else ""
    runs = f"{line.runs} run{'' if line.runs == 1 else 's'}"
    return clean(f"{line.fingerprint[:8]}  {line.title}{profile}, {runs}, the last {line.last}")
