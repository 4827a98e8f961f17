"""Claims about what becomes of the entries of `stop_when`, in words and in numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosrun.guards.guard import Burn, Endpoint, For, Limit, OfLoad, OfRole
from chaosrun.guards.made import make_guards
from chaosrun.spec.loader import load_experiment

S = 1_000_000_000
YAML = """\
title: t
steady_state: {load: {users: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {reference: mt5-bridge}
secrets: {token: {env: TOKEN}}
"""


def made(folder: Path, entry: str):
    path = folder / "e.yaml"
    path.write_text(f"{YAML}stop_when: [{entry}]\n")
    (guard,) = make_guards(load_experiment(path, env={"TOKEN": "topsecret"}).experiment.stop_when)
    return guard


@pytest.mark.parametrize(
    ("entry", "written", "sight", "how", "limit", "unit"),
    [
        (
            "{metric: usable, below: 5%}",
            "usable below 5% for 10s",
            OfLoad("usable"),
            For(10 * S),
            Limit(below=0.05),
            "ratio",
        ),
        (
            "{metric: response_p99, group: users, above: 2s, for: 1m}",
            "response_p99 of users above 2s for 1m",
            OfLoad("response_p99", "users"),
            For(60 * S),
            Limit(above=2.0),
            "s",
        ),
        (
            "{metric: cpu, role: server, of: machine, above: 90%}",
            "cpu of server above 90% for 10s",
            OfRole("cpu", "server", of_machine=True),
            For(10 * S),
            Limit(above=0.9),
            "ratio",
        ),
        (
            "{metric: memory, role: server, above: 2GB, burn: {share: 50%, long: 1m}}",
            "memory of server above 2GB for 50% of the time of 1m and of 5s",
            OfRole("memory", "server"),
            Burn(0.5, 60 * S, 5 * S),
            Limit(above=2e9),
            "bytes",
        ),
        (
            "{metric: bad, burn: {share: 2%, long: 6s}}",
            "bad for 2% of the requests of 6s and of 1s",
            OfLoad("bad"),
            Burn(0.02, 6 * S, S),
            None,
            "ratio",
        ),
        (
            "{metric: bad, above: 50%, burn: {share: 2%, long: 1m, short: 2s}}",
            "bad above 50% for 2% of the time of 1m and of 2s",
            OfLoad("bad"),
            Burn(0.02, 60 * S, 2 * S),
            Limit(above=0.5),
            "ratio",
        ),
    ],
)
def test_an_entry_is_a_guard_that_says_what_it_watches(
    tmp_path: Path, entry: str, written: str, sight: object, how: object, limit: object, unit: str
) -> None:
    guard = made(tmp_path, entry)
    assert (guard.written, guard.sight, guard.how, guard.limit, guard.unit) == (written, sight, how, limit, unit)


@pytest.mark.parametrize(
    ("keys", "written", "how"),
    [
        ("", "2xx for 10s", For(10 * S)),
        (", for: 3s", "2xx for 3s", For(3 * S)),
        (", failures: 3", "2xx 3 times in a row", For(0, 3)),
        (", failures: 3, for: 5s", "2xx 3 times in a row and for 5s", For(5 * S, 3)),
        (", burn: {share: 50%, long: 12s}", "2xx for 50% of the time of 12s and of 1s", Burn(0.5, 12 * S, S)),
        (", expect: {status: 204}, failures: 1", "204 1 times in a row", For(0, 1)),
        (
            ", expect: {status: [200, 404], contains: ok, lacks: full}",
            "200 or 404 with 'ok' without 'full' for 10s",
            For(10 * S),
        ),
    ],
)
def test_an_address_is_asked_for_a_time_or_so_many_times(tmp_path: Path, keys: str, written: str, how: object) -> None:
    guard = made(tmp_path, f'{{http: "http://127.0.0.1:9090/-/healthy"{keys}}}')
    assert guard.written == f"http://127.0.0.1:9090/-/healthy not answering {written}"
    assert guard.how == how
    assert guard.limit is None


def test_an_address_is_asked_with_its_secrets_and_told_without_them(tmp_path: Path) -> None:
    entry = (
        '{http: "http://127.0.0.1:9/a?key=${secret.token}", headers: {X-Key: "${secret.token}"}, '
        "every: 200ms, timeout: 300ms}"
    )
    guard = made(tmp_path, entry)
    assert guard.sight == Endpoint(
        "http://127.0.0.1:9/a?key=topsecret",
        shown="http://127.0.0.1:9/a",
        headers={"X-Key": "topsecret"},
        every_ns=200_000_000,
        timeout_ns=300_000_000,
    )
    assert "topsecret" not in repr(guard)


def test_user_and_password_of_an_address_are_sent_as_http_says_them_and_not_told(tmp_path: Path) -> None:
    guard = made(tmp_path, '{http: "http://me:${secret.token}@127.0.0.1:9/a", for: 1s}')
    assert guard.sight.url == "http://127.0.0.1:9/a"
    assert guard.sight.headers == {"Authorization": "Basic bWU6dG9wc2VjcmV0"}  # me:topsecret
    assert guard.written == "http://127.0.0.1:9/a not answering 2xx for 1s"
