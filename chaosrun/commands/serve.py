"""`chaosrun serve REFERENCE`: a reference service, or the embedded proxy, in the foreground, to try things by hand."""

from __future__ import annotations

from pathlib import Path

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, UsageError

_PROXY = "proxy"
_PROXY_PORT = 8474
"""As Toxiproxy's own, where its clients look for it."""


@click.command("serve", short_help="Run a reference service, to try things by hand.")
@click.argument("reference")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Listen here; otherwise on a free port, and the proxy on 8474."
)
@click.option("--option", "given", multiple=True, metavar="KEY=VALUE", help="A switch of the service, as in rate=50.")
@click.option("--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="Keep its logs here.")
@click.pass_obj
def command(session: Session, *, reference: str, port: int | None, given: tuple[str, ...], log_dir: Path | None) -> int:
    """Run a reference service until Ctrl-C, and show how to point an experiment at it: mt5-bridge, stock-tracker,
    agents or strategy-stream. Or run the embedded proxy (proxy), which has the HTTP API of Toxiproxy 2."""
    if reference == _PROXY:
        return _serve_proxy(session, port or _PROXY_PORT, dict(_pair(text) for text in given))
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


def _serve_proxy(session: Session, port: int, options: dict[str, str]) -> int:
    from chaosrun.proxy import HOST, program  # noqa: PLC0415 - only when called

    def say_ready(host: str, port: int, seed: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        session.write(f"the API of Toxiproxy 2 at http://{shown}:{port}, seed {seed}; Ctrl-C ends it\n")

    unknown = set(options) - {"host", "seed", "allow-remote"}
    if unknown:
        raise UsageError(f"--option {min(unknown)}: the proxy has host, seed and allow-remote")
    seed = options.get("seed", "0")
    if not seed.isdecimal():
        raise UsageError(f"--option seed={seed}: write a whole number, as in seed=7")
    if options.get("allow-remote", "yes") != "yes":
        raise UsageError(f"--option allow-remote={options['allow-remote']}: write allow-remote=yes, or leave it out")
    try:
        program.serve(
            say_ready=say_ready,
            host=options.get("host", HOST),
            port=port,
            seed=int(seed) if "seed" in options else None,
            allow_remote="allow-remote" in options,
        )
    except SystemExit:  # it has said which port is in use
        return Exit.UNAVAILABLE
    return Exit.PASSED
