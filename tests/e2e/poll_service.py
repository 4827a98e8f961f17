"""A web service on uvicorn that writes down what it was asked, before it answers: `poll_service.py PORT LOG`.

Each line is the `X-Request` of a request; a request that is in the log of a server that was killed may not have been
answered, and one that is not in any log was never seen.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn

LOG = Path(sys.argv[2])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """ASGI."""
    if scope["type"] != "http":
        return
    asked = dict(scope["headers"]).get(b"x-request", b"").decode()
    if asked:
        with LOG.open("a") as log:
            log.write(f"{asked}\n")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"14")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"stocks": []}'})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", loop="asyncio", http="httptools")
