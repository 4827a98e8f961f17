"""Whether a fault took effect, by a probe of the user's own in place of the fault's own way to see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from chaosrun.faults._base import Confirmation
from chaosrun.targets import readiness
from chaosrun.targets.output import Output, Watch
from chaosrun.targets.readiness import Ready

_EVERY_S = 0.02


class Probe:
    """One look before the fault, and looks after it until the effect is seen. Implements `safety.standing.Look`.

    What the probe saw before the fault is no effect of it: a probe must be able to tell the two apart.
    """

    def __init__(
        self,
        sign: Ready,
        expect: Literal["up", "down"] = "up",
        *,
        base: Callable[[], str] = lambda: "",
        output: Callable[[], Output] | None = None,
    ) -> None:
        """
        Args:
            sign: its `within_s` bounds the looks after the fault.
            base: URL of the target, for a sign that is a path of it; known once the target was started.
            output: the role's, for a sign that is a line of it.
        """
        self._sign = sign
        self._expect = expect
        self._base = base
        self._output = output
        self._watch: Watch | None = None
        self._before = False

    async def prepare(self) -> None:
        """To be called right before the injection. Lines of output count from here on."""
        if self._sign.what.startswith("/") and self._sign.how in ("http", "websocket"):
            self._sign = replace(self._sign, what=at_target(self._base(), self._sign.how) + self._sign.what)
        if self._output is not None:
            self._watch = self._output().watch(self._sign.what)
        else:
            self._before = await self._missing() is None

    async def confirm(self) -> Confirmation:
        """Wait, for a bounded time, until the effect is seen."""
        if self._before:
            return Confirmation(False, f"{self._told}, as it was before the fault: that shows no effect")
        end = time.monotonic() + self._sign.within_s
        while (missing := await self._missing()) is not None:
            if time.monotonic() >= end:
                return Confirmation(False, f"not within {self._sign.within_s:g} s: {self._told} ({missing})")
            await asyncio.sleep(_EVERY_S)
        return Confirmation(True, self._told)

    @property
    def _told(self) -> str:
        return f"output matches {self._sign.what}" if self._output is not None else f"{self._sign} is {self._expect}"

    async def _missing(self) -> str | None:
        """Why it is not as the fault is to make it; None: it is."""
        why = await readiness.look(self._sign, self._watch)
        if self._expect == "up":
            return why
        return "it still works" if why is None else None


def at_target(url: str, how: str) -> str:
    """Scheme, host and port of a target's WebSocket, for a look of another kind: `http` or `websocket`."""
    parts = urlsplit(url)
    if how == "websocket":
        return f"{parts.scheme}://{parts.netloc}"
    # Who the clients are is nothing to the switches: what is asked of them is written down for the undo.
    return f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc.rpartition('@')[2]}"
