"""`chaosrun serve REFERENCE`: a reference service in the foreground, to try things on by hand."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError


@click.command("serve", short_help="Run a reference service, to try things by hand.")
@click.argument("reference")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here; otherwise on a free port.")
@click.option("--option", "given", multiple=True, metavar="KEY=VALUE", help="A switch of the service, as in rate=50.")
@click.option("--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="Keep its logs here.")
@click.pass_obj
def command(session: Session, *, reference: str, port: int | None, given: tuple[str, ...], log_dir: Path | None) -> int:
    """Run a reference service (mt5-bridge) until Ctrl-C, and show how to point an experiment at it."""
    import asyncio  # noqa: PLC0415 - only when called
    import tempfile  # noqa: PLC0415 - as above

    from chaosrun.targets.serving import serve  # noqa: PLC0415 - as above

    options = dict(_pair(text) for text in given)
    with tempfile.TemporaryDirectory(prefix="chaosrun-serve-") as scratch:
        directory = Path(scratch) if log_dir is None else log_dir
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(
            serve(
                reference, directory=directory, say=lambda text: session.write(f"{text}\n"), options=options, port=port
            )
        )
    return Exit.PASSED


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--option {text}: write KEY=VALUE, as in rate=50")
    return key, value
