"""What a run would do, before it does: `--dry-run`, and the yes that is wanted where other machines are reached."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError
from chaosrun.spec.secret import mask

if TYPE_CHECKING:
    from chaosrun.foreseen import Foreseen
    from chaosrun.spec.loader import Loaded


def foreseen_of(
    loaded: Loaded, *, profile: str | None, report_dir: Path, max_duration_ns: int | None, repeat: int
) -> Foreseen:
    """What the run would do, with what the doctor finds of what it needs.

    Raises:
        UsageError, Unavailable: as the run would.
    """
    from chaosrun.doctor.needs import needs  # noqa: PLC0415 - only when asked
    from chaosrun.dry_run import foresee  # noqa: PLC0415 - as above
    from chaosrun.foreseen import Need  # noqa: PLC0415 - as above

    def needed() -> list[Need]:
        return [
            Need(name=each.name, state=each.state, found=each.found, needed_for=each.needed_for)
            for each in needs(loaded.experiment)
        ]

    return foresee(
        loaded, needed, profile=profile, report_dir=report_dir, max_duration_ns=max_duration_ns, repeat=repeat
    )


def show_plan(session: Session, foreseen: Foreseen, form: str) -> int:
    """Write it to standard output, and what would refuse the run to standard error; the exit code of the refusal.

    Raises:
        UsageError: a plan has no such form.
    """
    if form not in ("text", "json"):
        raise UsageError(f"--dry-run has no --format {form}, for nothing is judged; say text or json")
    import msgspec  # noqa: PLC0415 - only when asked

    from chaosrun.commands._tables import width  # noqa: PLC0415 - as above
    from chaosrun.reports._foreseen import render_foreseen  # noqa: PLC0415 - as above

    if form == "json":
        # Text by text: in JSON a secret with a quote in it is not what it was.
        plain = _masked(msgspec.to_builtins(foreseen), session.secrets)
        session.write_bytes(msgspec.json.format(msgspec.json.encode(plain)) + b"\n")
    else:
        session.write(render_foreseen(foreseen, width=width()))
    for text in foreseen.refused:
        session.complain(text)
    return Exit(foreseen.exit_code)


def confirm(session: Session, loaded: Loaded, foreseen: Callable[[], Foreseen]) -> None:
    """Ask whether load and faults may reach other machines than this one; nothing where they reach none.

    Args:
        foreseen: makes the plan, which is shown before it is asked.

    Raises:
        UsageError: there is no terminal to ask on, or the answer was no.
    """
    from chaosrun import preflight  # noqa: PLC0415 - what --help has no use for

    hosts = preflight.hit_elsewhere(preflight.reached(loaded))
    if not hosts:
        return
    preflight.refuse_elsewhere(loaded)  # what is refused anyway is not asked about
    told = f"this run reaches {', '.join(hosts)}, not only this machine"
    # Standard output is for what comes of the run.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{told}, and there is no terminal to ask on; say --yes if it may (--dry-run tells its plan)")

    from chaosrun.commands._tables import WIDEST  # noqa: PLC0415 - as above
    from chaosrun.reports._foreseen import render_foreseen  # noqa: PLC0415 - as above

    session.tell(render_foreseen(foreseen(), width=min(shutil.get_terminal_size().columns, WIDEST)))
    if not click.confirm(f"{told}. Run it?", default=False, err=True):
        raise UsageError("the answer was no; nothing was started")


def _masked(value: Any, secrets: Collection[str]) -> Any:
    match value:
        case str():
            return mask(value, secrets)
        case dict():
            return {key: _masked(item, secrets) for key, item in value.items()}
        case list() | tuple():
            return [_masked(item, secrets) for item in value]
        case _:
            return value
