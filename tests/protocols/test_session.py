"""A scripted user: what a `session` says and when, one claim a test."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest
import yaml

from chaosrun.errors import UsageError
from chaosrun.protocols import find

MS = 1_000_000
SECOND = 1_000 * MS
AGENT = """
open: [{send: {type: hello}, expect: {type: welcome}}]
session:
  repeat: 2
  think: 100ms
  steps:
    - {name: ping, send: {type: ping}, expect: {type: pong}}
    - {name: note, send: {type: note}, think: 0s}
    - {name: message, send: {type: message, at: "{unix_ms}"}, expect: {type: response, at: "{unix_ms}"}, within: 2s}
  then: THEN
close: [{send: {type: bye}, expect: {type: bye_ok}}]
error: {match: {type: error}}
"""


@pytest.fixture
def user(talk):
    """Opened and playing; what it is told to ask, it is asked for as a client does."""

    def begin(text: str = AGENT, then: str = "stay"):
        protocol = find(json.dumps(yaml.safe_load(text.replace("THEN", then))))
        it = talk(protocol)
        tokens = iter(range(1, 100))

        def ask(which: int, due: int) -> None:
            it.heard.events.append(("ask", protocol.steps[which - len(protocol.requests)], due))
            it.conversation.request(next(tokens), which, it.now)

        it.heard.ask = ask
        it.hear({"type": "welcome"}, after=SECOND)
        it.conversation.play(it.now)
        return it

    return begin


def wait(it, until: int | None = None):
    it.now = it.conversation.wake_at if until is None else until
    it.conversation.wake(it.now)


def said(it):
    return [json.loads(each)["type"] for each in it.heard.sent]


def test_nothing_is_left_of_a_user_who_is_gone(user) -> None:
    """In a circle of references it would stay until the collector stops the whole load."""
    it = user()
    wait(it)
    it.hear({"type": "pong"})
    gc.collect()
    gc.disable()
    try:
        it.conversation = None
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
    finally:
        gc.set_debug(0)
        gc.enable()
    left = [type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("chaosrun.")]
    gc.garbage.clear()
    assert left == []


def test_a_step_is_due_when_the_user_has_thought_and_the_next_one_follows_its_answer(user) -> None:
    it = user()
    assert said(it) == ["hello"]
    assert it.conversation.wake_at == SECOND + 100 * MS
    wait(it)
    assert said(it) == ["hello", "ping"]
    assert it.heard.of("ask") == [["ping", SECOND + 100 * MS]]
    it.hear({"type": "pong"}, after=7 * MS)
    assert it.heard.of("replied") == [[1, True]]
    wait(it)  # the note, at once
    assert said(it)[-1] == "note"
    assert it.conversation.wake_at == SECOND + 207 * MS
    wait(it)
    assert said(it)[-1] == "message"


def test_a_step_that_is_due_while_the_loop_was_busy_counts_from_when_it_was_due(user) -> None:
    it = user()
    wait(it, until=SECOND + 150 * MS)
    assert it.heard.of("ask") == [["ping", SECOND + 100 * MS]]


def test_an_answer_must_repeat_what_was_sent(user) -> None:
    it = user()
    wait(it)
    it.hear({"type": "pong"})
    wait(it)
    wait(it)
    at = json.loads(it.heard.sent[-1])["at"]
    it.hear({"type": "response", "at": at + 1})
    assert len(it.heard.of("replied")) == 1
    assert it.heard.of("malformed")
    it.hear({"type": "response", "at": at})
    assert it.heard.of("replied")[-1] == [2, True]


def through(it) -> None:
    """Play the script to its end, with a server that answers at once."""
    for _ in range(40):
        last = json.loads(it.heard.sent[-1])
        if last["type"] == "ping":
            it.hear({"type": "pong"})
        elif last["type"] == "message":
            it.hear({"type": "response", "at": last["at"]})
        if it.conversation.wake_at is None:
            return
        wait(it)
    raise AssertionError("it never ends")


@pytest.mark.parametrize(("then", "done"), [("stay", []), ("close", [[False]]), ("reconnect", [[True]])])
def test_after_the_last_step_of_the_last_round_the_user_stays_or_leaves(user, then: str, done: list) -> None:
    it = user(then=then)
    through(it)
    assert said(it) == ["hello", *["ping", "note", "message"] * 2]
    assert it.heard.of("done") == done
    it.conversation.finish(it.now)
    assert said(it)[-1] == "bye"


def test_an_answer_that_does_not_come_in_time_ends_the_connection(user) -> None:
    it = user()
    wait(it)
    wait(it)
    assert it.now == SECOND + 100 * MS + 5 * SECOND
    assert it.heard.of("failed") == [["deadline: no answer to step ping of the script in time"]]


def test_an_error_is_the_answer_to_the_step_and_the_user_goes_on(user) -> None:
    it = user()
    wait(it)
    it.hear({"type": "error"})
    assert it.heard.of("replied") == [[1, False]]
    wait(it)
    assert said(it)[-1] == "note"
    it.hear({"type": "error"})
    assert it.heard.of("malformed") == [["an error that answers no request"]]


def test_nothing_is_played_after_the_user_took_leave(user) -> None:
    it = user()
    it.conversation.finish(it.now)
    it.hear({"type": "bye_ok"})
    assert said(it) == ["hello", "bye"]
    assert it.heard.of("finished") == [[]]


def test_a_step_that_only_listens_is_no_request(user) -> None:
    it = user("session: {steps: [{expect: {type: news}}, {name: ask, send: {type: ping}, expect: {type: pong}}]}")
    wait(it)
    assert it.heard.sent == []
    it.hear({"type": "news"})
    wait(it)
    assert [name for name, _ in it.heard.of("ask")] == ["ask"]


def test_steps_are_numbered_after_the_requests_and_both_have_names(user) -> None:
    made = find(
        json.dumps(
            yaml.safe_load(
                "request: {send: {type: a, id: '{id}'}, reply: {type: b, id: '{id}'}}\n"
                "session: {steps: [{name: c, send: {type: c}, expect: {type: d}}, {send: {type: e}}]}"
            )
        )
    )
    assert (made.requests, made.steps) == (("request",), ("c",))


def test_what_a_step_sends_must_be_known() -> None:
    with pytest.raises(UsageError, match="step step of the session"):
        find(json.dumps({"session": {"steps": [{"send": {"x": "{nonsense}"}}]}}))


def test_the_example_of_the_docs_is_a_protocol() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text()
    example = page.partition("## Scripted users\n\n```yaml\n")[2].partition("```")[0]
    assert find(json.dumps(yaml.safe_load(example))).steps == ("ping", "message")


def test_what_a_step_captures_later_steps_send(user) -> None:
    it = user(
        "session: {steps: [{name: a, send: {type: login}, expect: {type: token, value: '{secret_word}'}},"
        " {send: {type: use, value: '{secret_word}'}}]}"
    )
    wait(it)
    it.hear({"type": "token", "value": "abc"})
    wait(it)
    assert it.heard.last_sent == {"type": "use", "value": "abc"}
