"""Where secrets come from, where they may stand, and what shows of them there."""

from __future__ import annotations

import pickle
from base64 import b64encode

import pytest

from chaosrun.spec.secret import MASK, Secret, holds_secret, reveal
from chaosrun.spec.userinfo import authorized

TOKEN = "hunter2-correct-horse"

WITH = """\
title: t
secrets: {{token: {source}}}
steady_state:
  load:
    users:
      clients: 3
      requests: 1/s
      headers: {{Authorization: "Bearer ${{secret.token}}"}}
      protocol: {{path: "/ws/${{secret.token}}", request: {{send: {{id: "{{id}}"}}, reply: {{id: "{{id}}"}}}}}}
target:
  url: ws://me:${{secret.token}}@127.0.0.1:8000/ws?key=${{secret.token}}
  ready: {{http: "http://127.0.0.1:8000/?key=${{secret.token}}"}}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_line_end_of_a_file_is_no_part_of_the_secret_and_nothing_else_is_taken(load, end: str) -> None:
    loaded = load(base=WITH.format(source="{file: token.txt}"), files={"token.txt": f"{TOKEN}{end}"})
    assert loaded.secrets == (TOKEN,)


@pytest.mark.parametrize(
    ("source", "env", "says"),
    [
        ("{env: TOKEN}", {"TOKEN": ""}, "secret 'token' is empty: the environment variable TOKEN has no text"),
        ("{file: token.txt}", {}, "secret 'token' is empty: the file token.txt has no text"),
        ("''", {}, "secret 'token' is empty; give it a value"),
        ("{env: TOKEN}", {}, "'token' needs the environment variable TOKEN; set it"),
        ("{file: none.txt}", {}, "'token' needs the file none.txt; there is no such file"),
    ],
)
def test_a_secret_that_is_missing_or_empty_is_told_where_it_is_needed(
    problems, source: str, env: dict, says: str
) -> None:
    told = problems(base=WITH.format(source=source), env=env, files={"token.txt": "\n"})
    assert all(says in each for each in told), told
    assert [each.split(": ")[0] for each in told] == ["e.yaml:8:32", "e.yaml:9:24", "e.yaml:11:8", "e.yaml:12:17"]


def test_an_address_shows_all_but_its_secrets_and_reveals_itself_to_who_calls_it(load) -> None:
    target = load(base=WITH.format(source=TOKEN)).experiment.target
    assert str(target.url) == f"ws://me:{MASK}@127.0.0.1:8000/ws?key={MASK}"
    assert reveal(target.url) == f"ws://me:{TOKEN}@127.0.0.1:8000/ws?key={TOKEN}"
    assert reveal(target.ready.http) == f"http://127.0.0.1:8000/?key={TOKEN}"
    assert TOKEN not in repr(target) + target.model_dump_json() + f"{target.url}" + target.url.upper()
    with pytest.raises(TypeError):
        pickle.dumps(target.url)


def test_the_path_of_a_protocol_reaches_the_worker_whole(load) -> None:
    protocol = load(base=WITH.format(source=TOKEN)).experiment.steady_state.load["users"].protocol
    assert type(protocol).from_wire(protocol.wire()).path == f"/ws/{TOKEN}"
    assert TOKEN not in protocol.model_dump_json()


def test_of_a_text_with_a_secret_in_it_the_rest_shows(load) -> None:
    group = load(base=WITH.format(source=TOKEN)).experiment.steady_state.load["users"]
    assert str(group.headers["Authorization"]) == f"Bearer {MASK}"
    assert (
        str(load(base=WITH.format(source="Bear")).experiment.steady_state.load["users"].headers["Authorization"])
        == MASK
    )
    assert group.headers["Authorization"] == Secret(f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("url", "source", "says"),
    [
        ("ws://${secret.token}:80/ws", "example.com", "not more"),
        ("ws://me:${secret.token}@127.0.0.1/ws", "'x@example.com/'", "not more"),
        ("ws://127.0.0.1:${secret.token}/ws", "'80'", "not more"),
        ("${secret.token}", "ws://127.0.0.1/", "is not the address of a service"),
        ("ws://127.0.0.1/ws?key=${secret.token}", "'a b c d'", "keep it percent-encoded"),
    ],
)
def test_a_secret_cannot_change_where_an_address_leads(problems, url: str, source: str, says: str) -> None:
    text = WITH.format(source=source).replace("ws://me:${secret.token}@127.0.0.1:8000/ws?key=${secret.token}", url)
    told = problems(base=text.replace("key=${secret.token}", "key=1") if "?key=" not in url else text)
    assert says in told[0]
    assert not any(source.strip("'") in each for each in told)


@pytest.mark.parametrize("undo", ["{url: 'http://127.0.0.1/?${secret.token}'}", "{path: '/${secret.token}'}"])
def test_an_undo_has_no_secret_in_its_address(problems, undo: str) -> None:
    step = f"method: [{{fault: http, send: {{path: /on}}, undo: {undo}}}]\n"
    told = problems(base=WITH.format(source=TOKEN) + step)
    assert any("`undo` holds a secret" in each for each in told), told


def test_the_variables_that_secrets_came_from_are_known_and_others_are_not(load) -> None:
    loaded = load(
        "configuration: {x: {env: OTHER}}\n", base=WITH.format(source="{env: T}"), env={"T": TOKEN, "OTHER": "x"}
    )
    assert loaded.variables == {"T"}


def test_passwords_of_accounts_are_secrets_unless_they_are_too_many_to_look_for_everywhere(load) -> None:
    text = WITH.format(source=TOKEN).replace("requests: 1/s", "requests: 1/s\n      accounts: {csv: a.csv}")
    few = "".join(f"me,secret-{number},EUR\n" for number in range(3))
    loaded = load(base=text, files={"a.csv": f"login,password,currency\n{few}"})
    assert set(loaded.secrets) == {TOKEN, "secret-0", "secret-1", "secret-2"}
    many = "".join(f"me,secret-{number},EUR\n" for number in range(101))
    assert load(base=text, files={"a.csv": f"login,password,currency\n{many}"}).secrets == (TOKEN,)


@pytest.mark.parametrize(
    ("column", "expected"),
    [("password", True), ("API_KEY", True), ("auth-token", True), ("pin", True), ("login", False), ("shipping", False)],
)
def test_what_is_secret_in_a_table_is_known_by_the_name_of_its_column(column: str, expected: bool) -> None:
    assert holds_secret(column) is expected


def test_user_and_password_of_an_address_are_sent_as_http_says_it() -> None:
    basic = "Basic " + b64encode("me:a@b/ü".encode()).decode()
    url = "ws://me:a%40b%2F%C3%BC@127.0.0.1:80/ws?x=1"
    assert authorized(url, [("X", "1")]) == ("ws://127.0.0.1:80/ws?x=1", (("X", "1"), ("Authorization", basic)))
    own = (("authorization", "Bearer x"),)
    assert authorized(url, own) == ("ws://127.0.0.1:80/ws?x=1", own)
    assert authorized("ws://127.0.0.1/ws", ()) == ("ws://127.0.0.1/ws", ())
