"""What nobody caught: errors of threads, of finalisers and of tasks, told like everything else, without secrets."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from chaosrun.commands._session import Session

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def tell_last_words_through(session: Session) -> None:
    """Let Python's own ways to standard error lead through the session, from now on."""

    def tell(error: BaseException | None, where: str) -> None:
        session.tell(where if error is None else f"{where}:\n{''.join(traceback.format_exception(error)).rstrip()}")

    def of_thread(args: threading.ExceptHookArgs) -> None:
        tell(args.exc_value, f"in {args.thread.name if args.thread else 'a thread'}")

    def of_finaliser(args: UnraisableHookArgs) -> None:
        tell(args.exc_value, args.err_msg or "in a finaliser")

    threading.excepthook = of_thread
    sys.unraisablehook = of_finaliser
    logging.getLogger().addHandler(_Teller(session))


class _Teller(logging.Handler):
    """Asyncio, and libraries, log what they can raise to nobody."""

    def __init__(self, session: Session) -> None:
        super().__init__(logging.WARNING)
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        self._session.tell(self.format(record))
