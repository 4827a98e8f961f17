"""Telling people what comes of a game day: each receiver in a thread of its own, bounded in time, tried a few times.

A notice that fails never fails the day: it is told, and recorded. Nothing of an address is shown but a webhook's host,
or an Apprise service's name: whoever knows the rest may write there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential

from chaosrun.asking import NoAnswer, NobodyThere, ask
from chaosrun.scoring.suite import Notice
from chaosrun.spec.gameday import Event, Notify
from chaosrun.spec.userinfo import authorized

_LONGEST_TEXT: Final = 3000
"""Characters of a message: services cut it off somewhere above."""
_NO_APPRISE: Final = "Apprise is not installed here: pip install 'chaosrun[notify]'"


@dataclass(frozen=True)
class Patience:
    """How long a receiver is waited for. Times are seconds."""

    attempts: int = 3
    connect_s: float = 5.0
    answer_s: float = 10.0
    first_pause_s: float = 1.0
    """Before the second attempt; twice as long before the third."""
    whole_s: float = 45.0
    """For all attempts together, whatever they are doing."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is told: in words, and as data."""

    event: Event
    title: str
    text: str
    data: dict[str, Any] = {}
    """For programs, beside the text."""

    def body(self) -> bytes:
        """The JSON of a webhook: `text` is what Slack, Mattermost and Teams show."""
        text = f"{self.title}\n{self.text}" if self.text else self.title
        return msgspec.json.encode({"text": harmless(text), "chaosrun": {"event": self.event, **self.data}})


def harmless(text: str) -> str:
    """A text that mentions nobody and is no markup where it is shown: what servers say may be in it."""
    text = text.replace("<", "\u2039").replace(">", "\u203a").replace("@", "@\u200b")
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


class Undelivered(Exception):
    """It did not arrive; the text says why, without the address."""


class Busy(Undelivered):
    """The same, and it may arrive yet."""


class Messenger:
    """Sends what happens to everybody who wants to know of it."""

    def __init__(self, receivers: Sequence[Notify], patience: Patience | None = None) -> None:
        self._receivers = tuple(receivers)
        self._patience = patience or Patience()
        self._sending: list[_Sending] = []

    def send(self, message: Message) -> None:
        """Begin to tell it; nothing is waited for."""
        for receiver in self._receivers:
            if message.event == "dirty" or message.event in receiver.on:
                self._sending.append(_Sending(receiver, message, self._patience))

    def wait(self) -> tuple[Notice, ...]:
        """What became of every notice so far, in the order in which they were sent."""
        return tuple(each.wait() for each in self._sending)


class _Sending:
    """One notice on its way to one receiver."""

    def __init__(self, receiver: Notify, message: Message, patience: Patience) -> None:
        self._message = message
        self._to = shown(receiver)
        self._end = time.monotonic() + patience.whole_s
        self._notice: Notice | None = None
        # A daemon: one that hangs in a name server does not keep the process.
        self._thread = threading.Thread(target=self._deliver, args=(receiver, patience), daemon=True)
        self._thread.start()

    def wait(self) -> Notice:
        self._thread.join(max(0.0, self._end - time.monotonic()))
        return self._notice or self._told("no answer in time")

    def _deliver(self, receiver: Notify, patience: Patience) -> None:
        try:
            for attempt in Retrying(
                stop=stop_after_attempt(patience.attempts) | stop_after_delay(patience.whole_s),
                wait=wait_exponential(multiplier=patience.first_pause_s),
                retry=retry_if_exception_type(Busy),
                reraise=True,
            ):
                with attempt:
                    if receiver.webhook is not None:
                        _post(receiver.webhook.reveal(), self._message, patience)
                    elif receiver.apprise is not None:
                        _by_apprise(receiver.apprise.reveal(), self._message)
        except Undelivered as error:
            self._notice = self._told(str(error))
        except Exception as error:  # other people's code; what it says may hold the address
            self._notice = self._told(f"could not be sent ({type(error).__name__})")
        else:
            self._notice = self._told("")

    def _told(self, why: str) -> Notice:
        return Notice(to=self._to, on=self._message.event, delivered=not why, why=why)


def shown(receiver: Notify) -> str:
    """A receiver, without what nobody else should know."""
    if receiver.webhook is not None:
        return f"webhook {urlsplit(receiver.webhook.reveal()).hostname}"
    assert receiver.apprise is not None
    return f"apprise {receiver.apprise.reveal().partition('://')[0]}"


def _post(url: str, message: Message, patience: Patience) -> None:
    """Raises:
    Undelivered: the answer was none that takes it.
    Busy: it may yet, if asked again.
    """
    url, headers = authorized(url, [("Content-Type", "application/json")])
    try:
        answer = ask(
            "POST",
            url,
            within_s=patience.answer_s,
            connect_within_s=patience.connect_s,
            headers=dict(headers),
            body=message.body(),
        )
    except NobodyThere:
        raise Busy("nobody is there") from None
    except NoAnswer as error:
        raise Busy(str(error)) from None
    except ValueError:
        raise Undelivered("its path or query has characters that HTTP has not") from None
    if answer.status >= 500 or answer.status == 429:
        raise Busy(f"it answered {answer.status}")
    if 300 <= answer.status < 400:
        raise Undelivered(f"it answered {answer.status}; name the address that it leads to, none is followed")
    if not 200 <= answer.status < 300:
        raise Undelivered(f"it answered {answer.status}")


def cannot_tell(notify: Iterable[Notify]) -> str | None:
    """Why some of them will not be told, as far as that can be known before anybody is; None: nothing is in the way."""
    if any(receiver.apprise is not None for receiver in notify) and find_spec("apprise") is None:
        return _NO_APPRISE
    return None


def _by_apprise(address: str, message: Message) -> None:
    """Raises:
    Undelivered: Apprise is not here, or does not know such an address.
    Busy: it says no more than that it failed.
    """
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError:
        raise Undelivered(_NO_APPRISE) from None
    # What it logs may hold the address, and what matters is told here.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    service = apprise.Apprise()
    if not service.add(address):
        raise Undelivered("Apprise knows no such address")
    kinds = {"passed": apprise.NotifyType.SUCCESS, "started": apprise.NotifyType.INFO}
    kind = kinds.get(message.event, apprise.NotifyType.FAILURE)
    if not service.notify(
        title=harmless(message.title), body=harmless(message.text) or message.event, notify_type=kind
    ):
        raise Busy("Apprise could not deliver it")
