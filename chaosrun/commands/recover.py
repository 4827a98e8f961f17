"""`chaosrun recover [FOLDER...]`: undo what runs left open whose process and guardian were both killed."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import FORMAT
from chaosrun.commands._session import Session
from chaosrun.errors import Exit, NotNow


@click.command("recover", short_help="Undo what a killed run left open.")
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, metavar="[FOLDER]...")
@click.option(
    "--format", "form", type=FORMAT, default="text", show_default=True, help="Lines for people, or one JSON object."
)
@click.pass_obj
def command(session: Session, *, folders: tuple[Path, ...], form: str) -> int:
    """Undo what runs left open: those in FOLDER, or every one that is known to have something open.

    A run whose process was killed is seen to by its guardian. This is for when both were killed, or the machine was
    started again. It may be called as often as one likes; exit code 0 says that all is as it was, 5 that it is not.
    """
    import msgspec  # noqa: PLC0415 - only when called

    from chaosrun.reports._safe_text import clean  # noqa: PLC0415 - as above
    from chaosrun.safety.open_runs import Index  # noqa: PLC0415 - as above
    from chaosrun.safety.recovering import Recovered, folders_of, recover  # noqa: PLC0415 - as above

    def tell(text: str) -> None:
        if form == "text":
            session.write_line(clean(text))

    index = Index.here()
    known = index.runs() if not folders else []
    wanted = [run for folder in folders for run in folders_of(folder, index)] or [Path(run.folder) for run in known]
    recovered = []
    for folder in wanted:
        try:
            recovered.append(recover(folder, index, tell))
        except NotNow:
            if folders:
                raise
            title = next(run.title for run in known if run.folder == str(folder))
            recovered.append(Recovered(folder=str(folder), title=title, state="goes on", done=[], left=[]))
            tell(f"{folder.name}: goes on, and is left alone")
    if not wanted:
        tell("nothing is open")
    code = Exit.DIRTY if any(run.state == "dirty" for run in recovered) else Exit.PASSED
    if form == "json":
        document = {"schema": 1, "runs": recovered, "exit_code": int(code)}
        session.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return code
