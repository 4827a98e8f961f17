"""`${name}` and `${secret.name}`, and that a secret never shows."""

from __future__ import annotations

import pickle
import traceback

import pytest

from chaosrun.errors import SpecError
from chaosrun.spec.model import Protocol, Secret
from chaosrun.spec.plan import make_plan

TOKEN = "hunter2-correct-horse"

WITH_SECRET = """\
title: t
secrets: {{token: {source}}}
steady_state:
  load:
    accounts:
      clients: 3
      requests: 1/s
      headers: {{Authorization: "Bearer ${{secret.token}}"}}
      protocol:
        query: {{token: "${{secret.token}}"}}
        open: [{{send: {{auth: ["${{secret.token}}"]}}, expect: {{ok: true}}}}]
        request: {{send: {{id: "{{id}}"}}, reply: {{id: "{{id}}"}}}}
target: {{reference: mt5-bridge}}
"""


@pytest.mark.parametrize(
    ("source", "env", "files"),
    [
        (TOKEN, {}, {}),
        ("{env: TOKEN}", {"TOKEN": TOKEN}, {}),
        ("{env: TOKEN, default: hunter2-correct-horse}", {}, {}),
        ("{file: token.txt}", {}, {"token.txt": f"{TOKEN}\n"}),
    ],
)
def test_a_secret_reaches_the_wire_and_nothing_else(load, source: str, env: dict, files: dict) -> None:
    loaded = load(base=WITH_SECRET.format(source=source), env=env, files=files)
    group = loaded.experiment.steady_state.load["accounts"]
    assert group.headers["Authorization"] == Secret(f"Bearer {TOKEN}")
    assert loaded.secrets == (TOKEN,)
    protocol = group.protocol
    again = Protocol.from_wire(protocol.wire())
    assert again.query["token"] == TOKEN
    assert again.open[0].send == {"auth": [TOKEN]}
    shown = [repr(loaded), str(loaded.experiment), str(group.model_dump()), group.model_dump_json(), loaded.sha256]
    shown += [repr(protocol.query), f"{protocol.query['token']}", repr(make_plan(loaded))]
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize(
    "more",
    [
        'tags: ["${secret.token}"]',
        'description: "x ${secret.token}"',
        'recovery: {within: "${secret.token}"}',
        'expect: [{metric: bad, max: "${secret.token}"}]',
        'timing: "${secret.token}"',
        'method: [{fault: "${secret.token}"}]',
        "timing: {after: 1}",
        'nonsense: "${secret.token}"',
    ],
)
def test_a_secret_never_shows_in_an_error_or_its_traceback(load, more: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(base=WITH_SECRET.format(source=TOKEN) + more + "\n")
    said = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in said
    assert "e.yaml:" in said


def test_a_secret_given_on_the_command_line_does_not_show_in_its_error(problems) -> None:
    said = problems(sets=(f"secrets.token=[{TOKEN}",))
    assert said
    assert TOKEN not in "".join(said)


def test_a_secret_is_no_text_and_is_not_pickled() -> None:
    secret = Secret(TOKEN)
    assert not isinstance(secret, str)
    assert f"{secret} {secret!r} {[secret]}" == "*** Secret(***) [Secret(***)]"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_values_of_the_environment_are_typed_and_secrets_stay_text(load) -> None:
    text = """\
    configuration: {n: {env: N}, flag: {env: FLAG}, limit: {env: LIMIT, default: 2s}}
    secrets: {pin: {env: PIN}}
    """
    base = """\
title: "${n} of ${flag}"
steady_state: {load: {a: {protocol: mt5, clients: "${n}", latency_limit: "${limit}", headers: {pin: "${secret.pin}"}}}}
recovery: {no_relapse: "${flag}"}
target: {reference: mt5-bridge}
"""
    loaded = load(text, base=base, env={"N": "20", "FLAG": "true", "PIN": "007"})
    group = loaded.experiment.steady_state.load["a"]
    assert loaded.experiment.title == "20 of true"
    assert (group.clients, group.latency_limit, loaded.experiment.recovery.no_relapse) == (20, 2_000_000_000, True)
    assert group.headers["pin"] == Secret("007")


def test_a_doubled_dollar_is_a_dollar_and_a_single_one_is_itself(load) -> None:
    assert load(sets=("title=$$5 $${x} 5$ $x",)).experiment.title == "$5 ${x} 5$ $x"


def test_a_reference_alone_may_stand_for_a_whole_mapping(load) -> None:
    text = "configuration: {phases: {verify: 7s, warmup: 2s}}\ntiming: ${phases}\n"
    assert load(text).experiment.timing.verify == 7_000_000_000


def test_the_experiments_configuration_serves_included_files_whose_own_are_defaults(load) -> None:
    base = "title: t\nconfiguration: {n: 5}\nsteady_state: s/s.yaml\ntarget: {reference: mt5-bridge}\n"
    state = "configuration: {n: 9, rate: 2/s}\nload: {a: {protocol: p.yaml, clients: '${n}', requests: '${rate}'}}\n"
    protocol = "request: {send: {id: '{id}'}, reply: {id: '{id}'}}\n"
    loaded = load(base=base, files={"s/s.yaml": state, "s/p.yaml": protocol})
    group = loaded.experiment.steady_state.load["a"]
    assert (group.clients, group.requests) == (5, 2.0)
    assert isinstance(group.protocol, Protocol)
    assert [str(file) for file in loaded.files] == ["e.yaml", "s/s.yaml", "s/p.yaml"]


def test_a_profile_that_is_not_chosen_may_lack_its_environment(problems) -> None:
    text = "configuration: {n: {env: NOT_SET}}\nprofiles: {p: {steady_state.load.accounts.clients: '${n}'}}\n"
    assert problems(text) == ()
    assert "environment variable NOT_SET" in problems(text, profile="p")[0]
