"""What a run is held against: which runs are found, which are refused, and what is told where there are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner
from kept import CONDITIONS, keep
from msgspec.structs import replace
from past import STEADY, keep_days, ran

from chaosrun.against import Against
from chaosrun.cli import run_command_line
from chaosrun.conditions import Conditions
from chaosrun.errors import Exit, UsageError
from chaosrun.machine import KIND_OF_MACHINE, environment
from chaosrun.outcome import score
from chaosrun.scoring.result import Observer
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.loader import Loaded, load_experiment
from chaosrun.spec.plan import make_plan
from chaosrun.standards import find_against

ROOT = Path(__file__).parents[2]
CRASH = ROOT / "experiments" / "server-restart.yaml"


@pytest.fixture(scope="module")
def crash() -> Loaded:
    return load_experiment(CRASH, profile="smoke")


def now(loaded: Loaded) -> Conditions:
    return conditions_of(loaded, make_plan(loaded), environment())


def found(named: str, loaded: Loaded, folder: Path) -> Against:
    return find_against(named, loaded, folder)


def test_the_last_good_runs_of_the_same_conditions_are_found_whatever_their_title(
    crash: Loaded, tmp_path: Path
) -> None:
    keep_days(tmp_path, STEADY, conditions=now(crash), title="As it was called before")
    keep_days(tmp_path, [9.0], conditions=CONDITIONS)
    keep_days(tmp_path, [9.0], conditions=now(crash), verdict="failed")
    slowed = ran(9.0, day=20, conditions=now(crash))
    keep(tmp_path / "slowed", replace(slowed, observer=Observer(sound=True, slowed=True, checks=[], excluded=[])))
    against = found("last-good", crash, tmp_path)
    assert against.runs == tuple(f"run-{n:03}" for n in range(len(STEADY)))
    (standard,) = against.numbers
    assert (standard.metric, standard.group) == ("ttr", None)
    assert [value for value, _ in standard.values] == STEADY
    assert against.why == ""


def test_runs_that_the_history_found_worse_are_not_good_though_they_passed(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, 3.0, 3.1, 3.05], conditions=now(crash))
    assert len(found("last-good", crash, tmp_path).runs) == len(STEADY)


def test_where_there_are_none_it_says_why(crash: Loaded, tmp_path: Path) -> None:
    assert "there is no good run of it in" in found("last-good", crash, tmp_path / "nowhere").why
    assert not (tmp_path / "nowhere").exists()
    keep_days(tmp_path / "a", [2.0], conditions=now(crash), verdict="failed")
    assert "none of the 1 runs under these conditions in" in found("last-good", crash, tmp_path / "a").why
    other = replace(now(crash), required=now(crash).required | {"machine.host": "ci-7f3a"})
    keep_days(tmp_path / "b", [2.0], conditions=other, title=crash.experiment.title)
    against = found("last-good", crash, tmp_path / "b")
    assert against.runs == ()
    assert f"with machine.host ci-7f3a -> {environment()['host']}" in against.why


def test_named_runs_are_found_as_for_a_comparison(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path / "v1", [2.0, 2.1], conditions=now(crash))
    against = found(str(tmp_path / "v1"), crash, tmp_path)
    assert [value for value, _ in against.numbers[0].values] == [2.0, 2.1]
    assert not against.may_be_too_few


def test_named_runs_under_other_conditions_are_refused_with_both_values(crash: Loaded, tmp_path: Path) -> None:
    other = replace(now(crash), required=now(crash).required | {"steady_state.load.accounts.clients": "7"})
    keep_days(tmp_path / "v1", [2.0], conditions=other)
    with pytest.raises(UsageError, match=r"(?s)then +now\n +steady_state.load.accounts.clients +7 +20"):
        found(str(tmp_path / "v1"), crash, tmp_path)


def test_a_named_run_that_is_not_there_or_gives_no_number_is_refused(crash: Loaded, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        found(str(tmp_path / "v9"), crash, tmp_path)
    keep(tmp_path / "cut", replace(ran(2.0, conditions=now(crash)), stopped_by="SIGINT"))
    with pytest.raises(UsageError, match="no run of it has a ttr and a sound observer"):
        found(str(tmp_path / "cut"), crash, tmp_path)


def test_a_load_test_is_held_against_latencies_of_each_group_that_has_some(tmp_path: Path) -> None:
    loaded = load_experiment(ROOT / "experiments" / "steady-300.yaml")
    run = replace(ran(2.0, conditions=now(loaded)), faults=[])
    keep(tmp_path / "run", run)
    (standard,) = found("last-good", loaded, tmp_path).numbers
    assert (standard.metric, standard.group) == ("response_p99", "accounts")


def test_machines_of_one_kind_have_runs_that_can_be_compared(
    crash: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hosted CI has them: another name for every job."""
    monkeypatch.setenv(KIND_OF_MACHINE, "ci-small")
    keep_days(tmp_path, [2.0], conditions=now(crash))
    monkeypatch.setattr("platform.node", lambda: "runner-2")
    assert found("last-good", crash, tmp_path).runs == ("run-000",)
    assert (now(crash).required["machine.host"], now(crash).noted["machine.hostname"]) == ("ci-small", "runner-2")
    monkeypatch.delenv(KIND_OF_MACHINE)
    assert found("last-good", crash, tmp_path).runs == ()
    assert "machine.hostname" not in now(crash).noted


def test_what_it_was_held_against_is_in_the_record_and_scores_to_the_same_bytes(tmp_path: Path) -> None:
    from small_run import record

    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    record(run)
    first, rest = (run / "journal.jsonl").read_text().split("\n", 1)
    standard = {"metric": "ttr", "values": [[0.1, 0.001]] * 20}
    against = {"named": "reports/v1", "runs": ["a"], "numbers": [standard]}
    (run / "journal.jsonl").write_text(json.dumps(json.loads(first) | {"against": against}) + "\n" + rest)
    score(run)
    once = (run / "result.json").read_bytes()
    assert score(run).result.against is not None
    assert (run / "result.json").read_bytes() == once
    told = json.loads(once)
    assert (told["against"]["named"], told["against"]["numbers"][0]["good"]) == ("reports/v1", [0.1] * 20)
    assert told["criteria"][-1]["source"] == "against"
    assert told["verdict"] != "passed", "the observer of this made-up run tells too little to trust"


def test_a_dry_run_tells_what_it_would_be_held_against(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0] * 19, conditions=now(crash))
    call = [str(CRASH), "--profile", "smoke", "--report-dir", str(tmp_path), "--dry-run", "--against"]
    with CliRunner().isolation() as streams:
        run_command_line([*call, "last-good"])
        text = " ".join(streams[0].getvalue().decode().split())
    assert "against held against last-good: ttr of 19 runs, 2 s in the middle" in text
    with CliRunner().isolation() as streams:
        code = run_command_line([*call, str(tmp_path / "nothing"), "--format", "json"])
        assert (code, streams[0].getvalue()) == (Exit.USAGE, b"")


def test_a_dry_run_of_a_folder_tells_it_of_each_experiment(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0] * 19, conditions=now(crash))
    files = [str(CRASH), str(ROOT / "experiments" / "server-freeze.yaml")]
    options = ["--profile", "smoke", "--report-dir", str(tmp_path), "--dry-run", "--against", "last-good"]
    with CliRunner().isolation() as streams:
        run_command_line([*files, *options])
        text = " ".join(streams[0].getvalue().decode().split())
    assert "held against last-good: ttr of 19 runs" in text
    assert "not held against last-good: there is no good run of it" in text


# ---- by which numbers -----------------------------------------------------------------------------------------------


def by(metrics: Sequence[str], loaded: Loaded, folder: Path, named: str = "last-good") -> Against:
    return find_against(named, loaded, folder, metrics)


def names_of(against: Against) -> list[str]:
    return [standard.metric for standard in against.numbers]


def test_the_numbers_that_decide_may_be_named(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path / "v1", [2.0, 2.1], conditions=now(crash))
    for named in ("last-good", str(tmp_path / "v1")):
        against = by(["outage", "ttr", "outage"], crash, tmp_path, named)
        assert names_of(against) == ["outage", "ttr"]
        assert [value for value, _ in against.numbers[1].values] == [2.0, 2.1]
    assert names_of(by(["response_p99"], crash, tmp_path)) == ["response_p99"]
    assert by(["response_p99"], crash, tmp_path).numbers[0].group == "accounts"


def test_a_number_that_no_earlier_run_has_is_refused_with_those_that_they_have(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path / "v1", [2.0, 2.1], conditions=now(crash))
    with pytest.raises(UsageError, match=r"--against-metric connect_p99: none of the 2 good runs .*they have: ttr, "):
        by(["ttr", "connect_p99"], crash, tmp_path)
    with pytest.raises(UsageError, match="no run of it has a connect_p99"):
        by(["ttr", "connect_p99"], crash, tmp_path, str(tmp_path / "v1"))
    assert by(["connect_p99"], crash, tmp_path / "none").why.startswith("there is no good run of it in")


def test_named_runs_of_which_one_is_a_copy_are_refused(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path / "v1", [2.0, 2.1], conditions=now(crash))
    run = sorted((tmp_path / "v1").iterdir())[0]
    copytree(run, tmp_path / "copy")
    with pytest.raises(UsageError, match=rf"{run} and {tmp_path}/copy: are the same run, .* which was copied"):
        by(["ttr"], crash, tmp_path, f"{tmp_path}/v1,{tmp_path}/copy")


def test_a_load_test_is_held_to_the_numbers_that_it_has(tmp_path: Path) -> None:
    loaded = load_experiment(ROOT / "experiments" / "steady-300.yaml")
    keep(tmp_path / "run", replace(ran(2.0, conditions=now(loaded)), faults=[]))
    assert names_of(by(["ttr", "response_p99"], loaded, tmp_path)) == ["response_p99"]
    with pytest.raises(UsageError, match=r"a load test, .* without a ttr or outage; .* --against-metric response_p99"):
        by(["ttr", "outage"], loaded, tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--against", "last-good", "--against-metric", "trr"], "did you mean 'ttr'? known: ttr, outage, "),
        (["--against", "last-good", "--against-metric", "zzz"], "runs cannot be compared by 'zzz'; known: ttr, "),
        (["--against", "last-good", "--against-metric", "ttr@baseline"], "only a latency"),
        (
            ["--against", "last-good", "--against-metric", "push_p99@basline"],
            "did you mean 'push_p99@baseline'? known: ",
        ),
        (["--against-metric", "ttr"], "say --against last-good, too"),
    ],
)
@pytest.mark.parametrize("of", ["run", "folder", "gameday"])
def test_a_number_that_nobody_knows_is_refused_before_anything_begins(
    of: str, options: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "day.yaml").write_text(f"title: A day\nexperiments: [{{file: {CRASH}, profile: smoke}}]\n")
    calls = {"run": [str(CRASH)], "folder": [str(CRASH.parent)], "gameday": ["gameday", str(tmp_path / "day.yaml")]}
    with CliRunner().isolation() as streams:
        code = run_command_line([*calls[of], "--report-dir", str(tmp_path / "reports"), *options])
        out, err = (stream.getvalue().decode() for stream in streams[:2])
    assert (code, out) == (Exit.USAGE, "")
    assert told in " ".join(err.split())
    assert not (tmp_path / "reports").exists()


def test_a_folder_and_a_day_are_held_by_the_numbers_that_were_named(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0] * 39, conditions=now(crash))
    options = ["--report-dir", str(tmp_path), "--dry-run"]
    by = ["--against-metric", "outage", "--against-metric", "ttr"]
    day = f"title: A day\nagainst: last-good\nexperiments: [{{file: {CRASH}, profile: smoke}}]\n"
    (tmp_path / "day.yaml").write_text(day)
    (tmp_path / "named.yaml").write_text(f"{day}against_metrics: [outage, ttr, outage]\n")
    (tmp_path / "over.yaml").write_text(f"{day}against_metrics: [service_p50]\n")
    freeze = str(ROOT / "experiments" / "server-freeze.yaml")
    for call in (
        [str(CRASH), freeze, "--profile", "smoke", "--against", "last-good", *by],
        ["gameday", str(tmp_path / "day.yaml"), *by],
        ["gameday", str(tmp_path / "named.yaml")],
        ["gameday", str(tmp_path / "over.yaml"), *by],
    ):
        with CliRunner().isolation() as streams:
            run_command_line([*call, *options])
            told = " ".join(stream.getvalue().decode() for stream in streams[:2])
        assert "held against last-good: outage of 39 runs, 2" in " ".join(told.split())
        assert "; ttr of 39 runs, 2 s in the middle" in " ".join(told.split())


def test_a_number_that_no_good_run_has_is_told_with_the_place_of_the_experiment(crash: Loaded, tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0] * 3, conditions=now(crash))
    day = tmp_path / "day.yaml"
    day.write_text(
        f"title: A day\nagainst: last-good\nagainst_metrics: [connect_p99]\nexperiments:\n"
        f"  - {{file: {CRASH}, profile: smoke}}\n"
    )
    with CliRunner().isolation() as streams:
        code = run_command_line(["gameday", str(day), "--report-dir", str(tmp_path), "--dry-run"])
        told = " ".join(streams[1].getvalue().decode().split())
    assert code == Exit.USAGE
    assert f"{day}:5:5: experiments.0: `against_metrics` connect_p99: none of the 3 good runs" in told


def test_what_was_held_by_named_numbers_scores_to_the_same_bytes(tmp_path: Path) -> None:
    from small_run import record

    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    record(run)
    first, rest = (run / "journal.jsonl").read_text().split("\n", 1)
    numbers = [{"metric": name, "values": [[0.1, 0.001]] * 39} for name in ("outage", "ttr")]
    against = {"named": "reports/v1", "runs": ["a"], "numbers": numbers}
    (run / "journal.jsonl").write_text(json.dumps(json.loads(first) | {"against": against}) + "\n" + rest)
    score(run)
    once = (run / "result.json").read_bytes()
    score(run)
    assert (run / "result.json").read_bytes() == once
    told = json.loads(once)
    assert [number["name"] for number in told["against"]["numbers"]] == ["outage", "ttr"]
    assert [each["name"] for each in told["criteria"] if each["source"] == "against"] == [
        "no regression of outage",
        "no regression of ttr",
    ]
