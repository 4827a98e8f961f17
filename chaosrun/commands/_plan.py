"""What a run would do, before it does: `--dry-run`, and the yes that is wanted where other machines are reached."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError
from chaosrun.spec.secret import mask

if TYPE_CHECKING:
    from chaosrun.against import Against
    from chaosrun.foreseen import Foreseen
    from chaosrun.spec.loader import Loaded


def foreseen_of(
    loaded: Loaded,
    *,
    profile: str | None,
    report_dir: Path,
    max_duration_ns: int | None,
    repeat: int,
    against: Against | None = None,
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
        loaded,
        needed,
        profile=profile,
        report_dir=report_dir,
        max_duration_ns=max_duration_ns,
        repeat=repeat,
        against=against,
    )


def show_plan(session: Session, foreseen: Foreseen, form: str) -> int:
    """Write it to standard output, and what would refuse the run to standard error; the exit code of the refusal.

    Raises:
        UsageError: a plan has no such form.
    """
    refuse_form(form)
    import msgspec  # noqa: PLC0415 - only when asked

    if form == "json":
        write_json(session, msgspec.to_builtins(foreseen))
    else:
        _write_text(session, foreseen)
    for text in foreseen.refused:
        session.complain(text)
    return Exit(foreseen.exit_code)


def show_plans(session: Session, plans: Sequence[Foreseen], form: str) -> int:
    """The same for several experiments, one after the other; the worst exit code. In JSON they are a list.

    Raises:
        UsageError: a plan has no such form.
    """
    refuse_form(form)
    import msgspec  # noqa: PLC0415 - only when asked

    from chaosrun.reports._safe_text import clean  # noqa: PLC0415 - as above
    from chaosrun.scoring.repeats import worst  # noqa: PLC0415 - as above

    if form == "json":
        write_json(session, [msgspec.to_builtins(foreseen) for foreseen in plans])
    for number, foreseen in enumerate(plans, 1):
        if form == "text":
            session.write_line(clean(f"{number} of {len(plans)}: {foreseen.experiment}"))
            _write_text(session, foreseen)
        for text in foreseen.refused:
            session.complain(f"{clean(foreseen.experiment)}: {text}")
    return worst([Exit.PASSED, *(Exit(foreseen.exit_code) for foreseen in plans)])


def refuse_form(form: str) -> None:
    """Raises:
    UsageError: a plan has no such form.
    """
    if form not in ("text", "json"):
        raise UsageError(f"--dry-run has no --format {form}, for nothing is judged; say text or json")


def write_json(session: Session, value: Any) -> None:
    """A plan as data, with its secrets masked."""
    import msgspec  # noqa: PLC0415 - only when asked

    # Text by text: in JSON a secret with a quote in it is not what it was.
    session.write_bytes(msgspec.json.format(msgspec.json.encode(_masked(value, session.secrets))) + b"\n")


def _write_text(session: Session, foreseen: Foreseen) -> None:
    from chaosrun.commands._tables import width  # noqa: PLC0415 - only when asked
    from chaosrun.reports._foreseen import render_foreseen  # noqa: PLC0415 - as above

    session.write(render_foreseen(foreseen, width=width()))


def confirm(session: Session, loaded: Loaded, foreseen: Callable[[], Foreseen]) -> None:
    """Ask whether load and faults may reach other machines than this one; nothing where they reach none.

    Args:
        foreseen: makes the plan, which is shown before it is asked.

    Raises:
        UsageError: there is no terminal to ask on, or the answer was no.
    """
    confirm_all(session, [(loaded, foreseen)])


def confirm_all(session: Session, runs: Sequence[tuple[Loaded, Callable[[], Foreseen]]]) -> None:
    """The same for several experiments, asked once.

    Raises:
        UsageError: as `confirm`.
    """
    from chaosrun import preflight  # noqa: PLC0415 - what --help has no use for

    elsewhere = [
        (loaded, foreseen, hosts)
        for loaded, foreseen in runs
        if (hosts := preflight.hit_elsewhere(preflight.reached(loaded)))
    ]
    if not elsewhere:
        return
    for loaded, _, _ in elsewhere:
        preflight.refuse_elsewhere(loaded)  # what is refused anyway is not asked about
    all_hosts = dict.fromkeys(host for _, _, hosts in elsewhere for host in hosts)
    what = "this run reaches" if len(runs) == 1 else f"{len(elsewhere)} of {len(runs)} experiments reach"
    told = f"{what} {', '.join(all_hosts)}, not only this machine"
    # Standard output is for what comes of the run.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{told}, and there is no terminal to ask on; say --yes if it may (--dry-run tells its plan)")

    from chaosrun.commands._tables import WIDEST  # noqa: PLC0415 - as above
    from chaosrun.reports._foreseen import render_foreseen  # noqa: PLC0415 - as above

    for _, foreseen, _ in elsewhere:
        session.tell(render_foreseen(foreseen(), width=min(shutil.get_terminal_size().columns, WIDEST)))
    if not click.confirm(f"{told}. Run {'it' if len(runs) == 1 else 'them'}?", default=False, err=True):
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
