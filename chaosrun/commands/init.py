"""`chaosrun init URL [FILE]`: a commented first experiment for a service of one's own."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

import click

from chaosrun.commands._session import Session
from chaosrun.errors import Exit, Unwritable, UsageError

DEFAULT_FILE = Path("experiments/first.yaml")

_KILL = """\
  - name: crash the server
    fault: process_kill
    role: server
    signal: SIGKILL
    restart: {by: supervisor, within: 60s}      # or {by: chaosrun, after: 2s}, if the role has a `start` command
"""
_NOTHING = """\
  - {name: control experiment, fault: noop}     # nothing is done: what is reported now is the noise of the measurement
  # - name: crash the server                    # then the real thing; it needs the role above
  #   fault: process_kill
  #   role: server
  #   restart: {by: supervisor, within: 60s}
"""
_ROLE = """\
  roles:
    server: {process: @NAME@}
"""
_NO_ROLE = """\
  # roles:                         # the processes that make it up; faults and limits on CPU and memory name them
  #   server: {process: NAME}      # exactly one running process of this name
"""


@click.command("init", short_help="Write a first experiment for a service of your own.")
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE)
@click.option("--process", metavar="NAME", help="The server's process, to be killed; without it nothing is done to it.")
@click.pass_obj
def command(session: Session, *, url: str, file: Path, process: str | None) -> int:
    """Write a commented first experiment for the service at URL into FILE [default: experiments/first.yaml].

    At a ws:// or wss:// URL clients hold a WebSocket, at an http:// or https:// URL they ask for the page.

    A file that exists is left alone. Nothing is connected to.
    """
    parts = _parse(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    _write(file, _text(parts, query, file, process))
    problems = _problems(file, query)
    for problem in problems:
        session.tell(problem)
    for key, variable in _variables(query).items():
        session.write_line(f"set {variable} to the value of {key} before the run; it is not in the file")
    session.write_line(f"wrote {file}; now: chaosrun {shlex.quote(str(file))}")
    return Exit.USAGE if problems else Exit.PASSED


def _parse(url: str) -> SplitResult:
    """The parts of the URL of a service.

    Raises:
        UsageError: it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url}: not a URL ({error}); write ws://HOST:PORT/PATH") from error
    if parts.scheme not in ("ws", "wss", "http", "https") or not host:
        raise UsageError(f"{url}: not the URL of a service; write ws://HOST:PORT/PATH, or http://HOST:PORT/PATH")
    if parts.username is not None or parts.password is not None:
        raise UsageError("a URL with a user or password would put them into the file; leave them out and use `secrets`")
    return parts


def _text(parts: SplitResult, query: Mapping[str, str], file: Path, process: str | None) -> str:
    from chaosrun.spec.hosts import is_loopback  # noqa: PLC0415 - as above

    host = parts.hostname or ""
    title = f"{host} serves its clients again after a crash" if process else f"{host} serves its clients"
    allow = f"  allow: [{_quoted(host)}]             # not this machine: put it under load only if you may\n"
    pollers = parts.scheme.startswith("http")
    values = {
        "LOAD": _template("first_pollers.yaml" if pollers else "first_users.yaml"),
        "URL": parts._replace(query="").geturl(),
        "FILE": shlex.quote(str(file)),
        "TITLE": _quoted(title),
        "BASE": _quoted(f"{parts.scheme}://{parts.netloc}"),
        "PATH": _quoted(parts.path or "/"),
        "ALLOW": "" if is_loopback(host) else allow,
        "ROLES": _NO_ROLE if process is None else _ROLE.replace("@NAME@", _quoted(process)),
        "METHOD": _NOTHING if process is None else _KILL,
        "SECRETS": _secrets(query),
        "QUERY": _query(query, 10 if pollers else 8),
    }
    text = _template("first_experiment.yaml")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _template(name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415 - only when called

    return files("chaosrun.commands").joinpath(name).read_text(encoding="utf-8")


def _quoted(text: str) -> str:
    """As a YAML scalar: JSON's strings are YAML's, and `$` would begin a substitution."""
    return json.dumps(text.replace("$", "$$"))


def _variables(query: Mapping[str, str]) -> dict[str, str]:
    """The environment variable of each query parameter: any of them may be a token, so none goes into the file."""
    return {key: "CHAOSRUN_" + "".join(c if c.isalnum() and c.isascii() else "_" for c in key).upper() for key in query}


def _secrets(query: Mapping[str, str]) -> str:
    if not query:
        return ""
    lines = [f"  {_secret_name(key)}: {{env: {variable}}}" for key, variable in _variables(query).items()]
    return "\n".join(["", "secrets:                           # never shown anywhere", *lines, ""])


def _query(query: Mapping[str, str], indent: int) -> str:
    if not query:
        return ""
    pairs = ", ".join(f'{_quoted(key)}: "${{secret.{_secret_name(key)}}}"' for key in query)
    return f"{' ' * indent}query: {{{pairs}}}\n"


def _secret_name(key: str) -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in key)
    return name if name[0].isalpha() else f"q_{name}"


def _write(file: Path, text: str) -> None:
    """Create the file.

    Raises:
        UsageError: it is there already.
        Unwritable: it cannot be created.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as created:
            created.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} exists and is left as it is; name another file: chaosrun init URL FILE") from error
    except OSError as error:
        raise Unwritable(f"{file}: cannot be written ({error.strerror}); name another file") from error


def _problems(file: Path, query: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with what was written: a process name that cannot be one, say."""
    from chaosrun.errors import SpecError  # noqa: PLC0415 - only when called
    from chaosrun.spec.loader import load_experiment  # noqa: PLC0415 - as above

    try:
        load_experiment(file, env={**os.environ, **dict.fromkeys(_variables(query).values(), "set")})
    except SpecError as error:
        return error.problems
    return ()
