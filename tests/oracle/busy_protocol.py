"""What the truth server speaks, from a conversation that once holds its whole process up.

The protocol comes as text in BUSY_PROTOCOL; when the file BUSY_FLAG appears it is removed, and the next slot that is
due waits for 300 ms of work.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from chaosrun.protocols.yaml import YamlProtocol
from chaosrun.spec.protocol import Protocol as Model


class BusyProtocol(YamlProtocol):
    def __init__(self) -> None:
        super().__init__(Model.from_wire(os.environ["BUSY_PROTOCOL"]))
        self._flag = Path(os.environ["BUSY_FLAG"])

    def pick(self, client: int, k: int) -> int:
        if self._flag.exists():
            self._flag.unlink()
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                pass
        return super().pick(client, k)
