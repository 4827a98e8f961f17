"""What pollers ask, byte by byte, and what they make of an answer; no socket."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols._polling import Asker, Polling, Unaskable
from chaosrun.spec.http import HttpRequest


def polling(*written):
    return Polling([HttpRequest.model_validate_json(json.dumps(each)) for each in written])


def asked(written, *, url="ws://shop:8080/ws", headers=(), account=None, token=7, now=5_000_000):
    identity = ClientIdentity("pollers-3", 3, "pollers", account or {})
    asker = Asker(identity, Clocks(0, 1_700_000_000_000_000_000), url, headers)
    question = polling(written).ask(0, asker, token, now)
    head, _, body = question.data.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    return question, line, [tuple(each.split(": ", 1)) for each in rest], body


def test_a_request_is_what_a_browser_would_send():
    question, line, headers, body = asked({"path": "/a"})
    assert line == "GET /a HTTP/1.1"
    assert headers == [
        ("Host", "shop:8080"),
        ("User-Agent", "chaosrun"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
    ]
    assert (body, question.method, question.repeatable) == (b"", "GET", True)


def test_the_query_of_the_targets_url_comes_first_and_what_is_written_in_the_path_before_it():
    _, line, _, _ = asked({"path": "/a b?x=1", "query": {"q": "ä&", "n": "{index}"}}, url="ws://h/ws?token=t")
    assert line == "GET /a%20b?x=1&token=t&q=%C3%A4%26&n=3 HTTP/1.1"


def test_a_requests_own_header_wins_over_the_groups_in_whatever_case():
    written = {"path": "/", "headers": {"X-A": "own", "accept": "text/csv"}}
    _, _, headers, _ = asked(written, headers=(("x-a", "group"), ("X-B", "group")))
    assert dict(headers) | {} == {
        "Host": "shop:8080",
        "User-Agent": "chaosrun",
        "accept": "text/csv",
        "Accept-Encoding": "gzip, deflate",
        "X-A": "own",
        "X-B": "group",
    }


def test_placeholders_keep_their_type_alone_and_are_text_within_text():
    written = {"path": "/", "method": "POST", "json": {"id": "{id}", "at": "{unix_ms}", "who": "{client}: {id}"}}
    question, _, headers, body = asked(written)
    assert json.loads(body) == {"id": 7, "at": 1_700_000_000_005, "who": "pollers-3: 7"}
    assert ("Content-Length", str(len(body))) in headers
    assert not question.repeatable


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nX: 1", "a\rb", "a\0b"])
def test_a_value_of_more_than_one_line_is_not_said(value):
    with pytest.raises(Unaskable, match="X-Token") as caught:
        asked({"path": "/", "headers": {"X-Token": "{account.token}"}}, account={"token": value})
    assert value not in str(caught.value)


def test_no_value_gets_out_of_the_path():
    _, line, _, _ = asked({"path": "/{account.name}"}, account={"name": "a HTTP/1.1\r\nX: 1\r\n\r\n"})
    assert line == "GET /a%20HTTP/1.1%0D%0AX:%201%0D%0A%0D%0A HTTP/1.1"


@pytest.mark.parametrize(
    ("written", "right", "wrong"),
    [("2xx", (200, 204, 299), (199, 300)), (404, (404,), (200, 403)), ([200, "3xx"], (200, 302), (201, 404))],
)
def test_an_expected_status_is_one_or_one_of_a_class_or_of_a_list(written, right, wrong):
    judge = polling({"path": "/", "expect": {"status": written}})
    assert [judge.wrong(0, status, b"", "") for status in right] == [None] * len(right)
    assert all(judge.wrong(0, status, b"", "").how == "status" for status in wrong)
    assert not judge.needs_body(0)


BODY = b'{"summary": {"day": null, "rows": [{"id": 5}]}, "ok": true, "n": 1}'


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ({"keys": ["summary.day", "summary.rows.0.id"]}, ""),  # null is there
        ({"keys": ["summary.rows.1", "x"]}, "the body has no 'summary.rows.1', 'x'"),
        ({"match": {"ok": True, "summary": {"rows": [{"id": 5}]}}}, ""),
        ({"match": {"summary.rows.0.id": 5, "n": 1.0}}, ""),
        ({"match": {"n": True}}, 'the body does not match {"n":true}'),
        ({"match": {"summary.day": 0}}, "does not match"),
        ({"keys": ["ok"], "match": {"ok": False}}, "does not match"),
    ],
)
@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "raw deflate"])
def test_keys_and_values_are_looked_for_in_the_body_however_it_is_packed(expect, wrong, coding):
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "": BODY,
        "gzip": gzip.compress(BODY),
        "deflate": zlib.compress(BODY),
        "raw deflate": raw.compress(BODY) + raw.flush(),
    }[coding]
    judge = polling({"name": "page", "path": "/", "expect": expect})
    found = judge.wrong(0, 200, packed, coding.removeprefix("raw "))
    assert judge.needs_body(0)
    if wrong:
        assert (found.how, found.detail.startswith("page: ")) == ("body", True)
        assert wrong in found.detail
    else:
        assert found is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a": ' * 5_000])
def test_a_body_that_is_no_json_object_is_an_error_and_nothing_worse(body):
    judge = polling({"path": "/", "expect": {"keys": ["a"]}})
    assert judge.wrong(0, 200, body, "").how == "body"
    assert judge.wrong(0, 200, body, "gzip").how == "body"


def test_every_client_begins_at_another_place_of_the_round():
    picks = polling({"path": "/a", "weight": 2}, {"path": "/b", "weight": 1})
    assert [picks.pick(0, k) for k in range(6)] == [0, 1, 0, 0, 1, 0]
    assert [picks.pick(c, 0) for c in range(3)] == [0, 1, 0]
