"""The embedded proxy: a program of its own with the HTTP API and the toxics of Toxiproxy 2.

Whoever needs one starts `argv()` as a process. When it listens, it writes one line to standard output,

    {"ready": true, "port": 8474, "seed": 7}

`port` being that of its API, at `http://HOST:PORT`, and `seed` what its chance depends on. It ends on SIGTERM or
SIGINT, and with its standard input, which therefore has to be a pipe that stays open. A port that is in use ends it
with `chaosrun.reference.PORT_TAKEN`. A proxy whose `listen` ends in `:0` gets a free port, told in the answer.

The parts, from the pure to the sockets: `stage` and `toxics/` (what each toxic does), `pipeline` (one direction of one
connection), `link` (its sockets), `proxy`, `collection`, `api`, `http`, `program`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

HOST = "127.0.0.1"


def argv(*, port: int = 0, host: str = HOST, seed: int | None = None, allow_remote: bool = False) -> Sequence[str]:
    """How to start the proxy, its API on `port`, or on a free one; it ends with its standard input."""
    chance = () if seed is None else ("--seed", str(seed))
    remote = ("--allow-remote",) if allow_remote else ()
    module = (sys.executable, "-P", "-m", "chaosrun.proxy")  # -P: the working directory is of others
    return (*module, "--host", host, "--port", str(port), *chance, *remote, "--die-with-stdin")
