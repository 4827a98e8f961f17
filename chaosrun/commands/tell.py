"""`chaosrun tell RUN WORD`: say to a run that an outside fault begins, was seen, or is over."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._options import duration
from chaosrun.commands._session import Session


@click.command("tell", short_help="Tell a run when an outside fault begins and is over.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("word", type=click.Choice(("begin", "confirmed", "unconfirmed", "ending", "over")))
@click.option("--fault", metavar="ID", help="Which one, such as fault-2, where several are waited for.")
@click.option("--detail", default="", metavar="TEXT", help="What was done or seen, for people; kept in the journal.")
@click.option("--wait", metavar="TIME", help="Wait so long for the run to listen, as in 2m.")
@click.pass_obj
def command(session: Session, *, run: Path, word: str, fault: str | None, detail: str, wait: str | None) -> int:
    """Tell a run that its `outside` fault is about to begin, is confirmed, is about to be taken away, or is over.

    RUN is the folder of the run, or the one that runs are kept in, of which it is then the only one that listens. The
    answer comes when the word has been written down: whoever waits for it acts after it. Exit code 75: nobody listens.
    """
    within_ns = 0 if wait is None else duration("--wait", wait)

    from chaosrun.telling import find_ear, tell  # noqa: PLC0415 - what --help has no use for

    heard_s = tell(find_ear(run, fault, within_s=within_ns / 1e9), word, detail)
    session.write_line(f"heard at {heard_s:.3f} s")
    return 0
