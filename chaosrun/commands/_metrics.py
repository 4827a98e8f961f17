"""`chaosrun run EXPERIMENT --metrics-port PORT`: the options of the live metrics, and what serves them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chaosrun.commands._session import Session

if TYPE_CHECKING:
    from chaosrun.engine import Watcher

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def metrics_options(command: Decorated) -> Decorated:
    """--metrics-port and --metrics."""
    for decorate in (
        click.option("--metrics", metavar="ADDRESS:PORT", help="The same, at another address of this machine."),
        click.option(
            "--metrics-port",
            type=click.IntRange(0, 65_535),
            metavar="PORT",
            help="Serve the run's metrics at http://127.0.0.1:PORT/metrics while it goes on; 0: any free port.",
        ),
    ):
        command = decorate(command)
    return command


def published(session: Session, port: int | None, named: str | None) -> AbstractContextManager[Watcher | None]:
    """A watcher whose metrics can be scraped as long as the context lasts; None where nobody asked for them.

    Raises:
        UsageError: the options make no sense.
        Unavailable: on entering: nothing can be bound there.
    """
    if port is None and named is None:
        return nullcontext()
    from chaosrun.reports._metrics_server import metrics_address, serving  # noqa: PLC0415 - only when asked

    address = metrics_address(port, named)
    assert address is not None
    return serving(address, session.secrets, session.tell)


def together(first: Watcher, second: Watcher | None) -> Watcher:
    """Both, where there are two."""
    if second is None:
        return first
    from chaosrun.reports._watchers import Together  # noqa: PLC0415 - only when asked

    return Together(first, second)
