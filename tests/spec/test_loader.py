from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosrun.errors import Exit, SpecError
from chaosrun.spec.loader import load_experiment, load_steady_state
from chaosrun.spec.model import Group, Protocol

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "experiments").glob("*.yaml"))
PIECES = (
    *(
        "title",
        "steady_state",
        "load",
        "accounts",
        "protocol",
        "mt5",
        "clients",
        "target",
        "reference",
        "method",
        "fault",
    ),
    *(
        "noop",
        "process_kill",
        "role",
        "profiles",
        "timing",
        "configuration",
        "secrets",
        "env",
        "file",
        "${",
        "${a}",
        "$$",
    ),
    *(
        ": ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        '"',
        "'",
        "&a ",
        "*a",
        "!!str ",
        "<<",
        "|",
        ">",
    ),
    *("1", "300", "5s", "1/s", "10%", "null", "true", "~", "#", "?", "---", "\t", "%", "é", "\u2028", "🎉", "\x07"),
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_loads_with_all_of_its_profiles(path: Path) -> None:
    load_experiment(path, env={})
    load_experiment(path, env={}, profile="smoke" if "smoke:" in path.read_text() else None)


def test_every_shipped_steady_state_loads_alone_and_in_an_experiment() -> None:
    for path in sorted((ROOT / "steady_state").glob("*.yaml")):
        assert load_steady_state(path).load
        # What is for a slow machine wants the times of one; of pollers no held connection can be measured.
        others = {"emulated": ("latency-netem", "smoke"), "market-pollers": ("market-pollers", None)}
        name, profile = others.get(path.stem, ("control-noop", None))
        load_experiment(ROOT / "experiments" / f"{name}.yaml", profile=profile, sets=(f"steady_state={path}",))


def test_a_steady_state_alone_names_all_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("load: {a: {protocol: mt5, clients: 0, x: 1}}\n")
    with pytest.raises(SpecError) as caught:
        load_steady_state(file)
    assert len(caught.value.problems) == 2


def test_a_steady_state_alone_is_cross_referenced_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("""\
load: {a: {protocol: mt5, clients: 1, accounts: {csv: nowhere.csv}}}
hypothesis:
  - {metric: usabel, min: 9%}
  - {metric: cpu, role: whatever, max: 70}
  - {metric: bad, window: outage, max: 1%}
  - {metric: bad, window: during, max: 1%}
""")
    with pytest.raises(SpecError) as caught:
        load_steady_state(file)
    assert [problem.removeprefix(str(file)) for problem in caught.value.problems] == [
        f":1:55: load.a.accounts.csv: cannot read {tmp_path / 'nowhere.csv'}: there is no such file",
        ":3:14: hypothesis.0.metric: no metric 'usabel'; did you mean 'usable'?",
        ":4:40: hypothesis.1.max: 70 is a bare number, and cpu is a share; write 70%",
    ]


def test_a_wrong_file_ends_with_the_exit_code_of_usage(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_experiment(tmp_path / "nowhere.yaml")
    assert caught.value.exit is Exit.USAGE
    assert "there is no such file" in str(caught.value)


def test_the_place_of_every_key_can_be_asked(load) -> None:
    loaded = load("timing: {verify: 5s}\nmethod:\n  - {fault: noop}\n", sets=("timing.warmup=4s",))
    assert loaded.where(("timing", "verify")) == "e.yaml:6:18"
    assert loaded.where(("method", 0, "fault")) == "e.yaml:8:13"
    assert loaded.where(("timing", "warmup")) == "--set timing.warmup=4s"
    assert loaded.line(("method", 0)) == "e.yaml:8"


def test_the_digest_tells_experiments_apart_but_not_their_layout(load) -> None:
    one = load("tags: [a]\n")
    assert load("# a comment\ntags:\n  - a\n").sha256 == one.sha256
    assert load("tags: [a]\n", sets=("steady_state.load.accounts.clients=20",)).sha256 != one.sha256


def test_a_group_reads_back_from_its_own_dump(load) -> None:
    text = "sentinels: 1/30s, heartbeat: 30s, reconnect: {first: 1500us}, max_message: 1MiB, latency_limit: 1.5s"
    loaded = load(
        base=f"""\
title: t
steady_state: {{load: {{a: {{protocol: mt5, clients: 300, requests: 0.7/s, {text}}}}}}}
target: {{reference: mt5-bridge}}
"""
    )
    group = loaded.experiment.steady_state.load["a"]
    assert Group.model_validate_json(group.model_dump_json()) == group
    assert Group.from_wire(group.wire()) == group


def test_a_protocol_reads_back_from_the_wire() -> None:
    protocol = Protocol.model_validate(
        {
            "json": ["body"],
            "stream": {"match": {"type": "t"}, "seq": {"at": 1, "size": 4}, "stale_after": "2s"},
            "keepalive": {"every": "30s", "send": "hb"},
            "requests": [{"name": "a", "weight": 3, "send": [1, None], "reply": {"x": None}}],
        }
    )
    assert Protocol.from_wire(protocol.wire()) == protocol


def test_working_directories_and_tables_are_relative_to_their_file(load) -> None:
    state = "load: {a: {protocol: mt5, clients: 1, accounts: {csv: a.csv}}}\n"
    target = "url: ws://localhost:1/\nroles: {w: {command: [x], cwd: sub}, v: {command: [x]}}\n"
    loaded = load(
        base="title: t\nsteady_state: s/s.yaml\ntarget: t/t.yaml\n",
        files={"s/s.yaml": state, "s/a.csv": "account,token\n1,x\n", "t/t.yaml": target},
    )
    assert loaded.experiment.steady_state.load["a"].accounts.csv == "s/a.csv"
    assert loaded.experiment.target.roles["w"].cwd == "t/sub"
    assert loaded.experiment.target.roles["v"].cwd is None


def test_a_whole_number_is_text_where_it_reads_back_as_it_was_written(load, problems) -> None:
    def target(word: str) -> str:
        return f"target={{reference: null, url: 'ws://localhost:1/', roles: {{r: {{command: [python, {word}]}}}}}}"

    assert load(sets=(target("8000"),)).experiment.target.roles["r"].command == ("python", "8000")
    for word in ("1.10", "1e3", "true"):
        assert "is not text" in problems(sets=(target(word),))[0]


def test_short_forms_stand_for_their_mappings(load) -> None:
    base = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 1, heartbeat: 30s}}}
target: {url: "ws://[::1]:80/", roles: {r: {process: {name: x}}, s: {process: y}}}
"""
    experiment = load(base=base).experiment
    assert experiment.steady_state.load["a"].heartbeat.timeout == 10_000_000_000
    assert [role.process.name for role in experiment.target.roles.values()] == ["x", "y"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "a.localhost"])
def test_loopback_needs_no_permission(problems, host: str) -> None:
    assert problems(sets=(f"target={{reference: null, url: 'ws://{host}:80/'}}",)) == ()


@pytest.mark.parametrize("host", ["example.com", "0.0.0.0", "192.168.0.1", "localhost.example.com", "127.0.0.1.nip.io"])
def test_any_other_host_must_be_named(problems, host: str) -> None:
    given_url = f"target={{reference: null, url: 'ws://{host}:80/'"
    assert "is not loopback" in problems(sets=(given_url + "}",))[0]
    assert problems(sets=(given_url + f", allow: [{host}]}}",)) == ()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_whatever_a_file_holds_only_a_spec_error_is_raised(tmp_path: Path, text: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(text)
    try:
        load_experiment(file, env={})
    except SpecError as error:
        assert error.problems


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_whatever_bytes_a_file_holds_only_a_spec_error_is_raised(tmp_path: Path, source: bytes) -> None:
    file = tmp_path / "e.yaml"
    file.write_bytes(b"title: t\n" + source)
    with pytest.raises(SpecError):
        load_experiment(file, env={})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.sampled_from(
    (
        *("title", "tags", "steady_state", "target", "method", "expect", "stop_when", "recovery", "timing", "profiles"),
        *("configuration", "secrets", "steady_state.load", "steady_state.load.accounts", "steady_state.hypothesis"),
        *("steady_state.load.accounts.protocol", "steady_state.load.accounts.accounts", "target.roles", "target.url"),
        *("steady_state.load.accounts.channels", "steady_state.load.accounts.requests", "recovery.window", "method.0"),
        *(
            "steady_state.load.accounts.headers",
            "expect.0",
            "method.0.restart",
            "method.0.signal",
            "x.y.z",
            "rollbacks",
        ),
    )
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(PATHS, JSON, max_size=3))
def test_whatever_an_override_holds_only_a_spec_error_is_raised(tmp_path: Path, overrides: dict[str, object]) -> None:
    import json

    file = ROOT / "experiments" / "server-restart.yaml"
    try:
        load_experiment(file, env={}, sets=tuple(f"{path}={json.dumps(value)}" for path, value in overrides.items()))
    except SpecError as error:
        assert error.problems
