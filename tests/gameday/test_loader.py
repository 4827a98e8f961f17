"""A game day as it is loaded: its experiments with what the day lays over them, seen from where the day's file is."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.errors import SpecError
from chaosrun.gameday.loader import LoadedDay, load_day, outline
from chaosrun.spec.gameday import Window
from chaosrun.spec.kinds import kind_of

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
title: Nothing happens
configuration: {clients: 20}
steady_state: {load: {users: {protocol: mt5, clients: "${clients}", requests: 1/s}}}
target: {reference: mt5-bridge}
timing: {baseline: 5s}
profiles: {smoke: {timing.baseline: 6s}}
"""


def day_of(folder: Path, experiments: str, more: str = "", **options: object) -> LoadedDay:
    (folder / "days").mkdir(exist_ok=True)
    (folder / "e.yaml").write_text(EXPERIMENT)
    (folder / "days" / "day.yaml").write_text(f"title: A day\nexperiments: {experiments}\n{more}")
    return load_day(folder / "days" / "day.yaml", **{"env": {}, **options})  # type: ignore[arg-type]  # passed on


def test_profile_and_overrides_of_the_day_are_laid_over_the_experiment_in_this_order(tmp_path: Path) -> None:
    loaded = day_of(tmp_path, "[{file: ../e.yaml}, {file: ../e.yaml, profile: smoke, set: {timing.warmup: 7s}}]")
    plain, varied = (variant.loaded.experiment.timing for variant in loaded.variants)
    assert (plain.baseline, plain.warmup) == (5 * 10**9, 3 * 10**9)
    assert (varied.baseline, varied.warmup) == (6 * 10**9, 7 * 10**9)
    over = day_of(tmp_path, "[{file: ../e.yaml, profile: smoke, set: {timing.baseline: 8s}}]")
    assert over.variants[0].loaded.experiment.timing.baseline == 8 * 10**9


def test_files_that_the_day_names_are_seen_from_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "target.yaml").write_text("reference: mt5-bridge\noptions: {seed: 7}\n")
    (tmp_path / "days" / "users.csv").write_text("user\na\n")
    monkeypatch.chdir(tmp_path)
    loaded = day_of(
        Path(),
        "[{file: ../e.yaml, target: target.yaml, set: {steady_state.load.users.accounts: {csv: users.csv}}}]",
    )
    experiment = loaded.variants[0].loaded.experiment
    assert experiment.target.options == {"seed": 7}
    assert experiment.steady_state.load["users"].accounts is not None
    assert Path(experiment.steady_state.load["users"].accounts.csv) == Path("days/users.csv")
    assert loaded.variants[0].path == Path("e.yaml")


def test_an_override_may_use_the_configuration_of_the_day(tmp_path: Path) -> None:
    loaded = day_of(
        tmp_path,
        '[{file: ../e.yaml, set: {steady_state.load.users.clients: "${many}"}}]',
        "configuration: {many: {env: MANY, default: 30}}",
        env={"MANY": "40"},
    )
    assert loaded.variants[0].loaded.experiment.steady_state.load["users"].clients == 40


def test_what_an_override_gets_wrong_is_told_at_its_place_in_the_day(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        day_of(tmp_path, "[{file: ../e.yaml, set: {steady_state.load.users.clients: 0, timing.baselin: 5s}}]")
    places = [problem.split(": ")[0] for problem in caught.value.problems]
    assert places == [f"{tmp_path}/days/day.yaml:2:72", f"{tmp_path}/days/day.yaml:2:75"]


def test_how_long_an_experiment_takes_counts_its_repeats_and_the_rest_between_them(tmp_path: Path) -> None:
    once, thrice = (
        variant.planned(10**10)
        for variant in day_of(tmp_path, "[{file: ../e.yaml}, {file: ../e.yaml, repeat: 3}]").variants
    )
    assert timedelta(seconds=60) < once < timedelta(seconds=120)
    assert thrice == 3 * once + timedelta(seconds=20)


def test_addresses_of_notices_are_secret_though_they_stand_in_the_file(tmp_path: Path) -> None:
    revealed: set[str] = set()
    loaded = day_of(
        tmp_path,
        "[{file: ../e.yaml}]",
        "secrets: {hook: {env: HOOK}}\nnotify:\n- {webhook: https://hooks.example.com/services/T0000000/tokentokentoken}\n"
        '- {webhook: "https://hooks.example.com/${secret.hook}"}\n- {apprise: "slack://onetokenonetoken/two/three"}',
        env={"HOOK": "a-longer-secret"},
        revealed=revealed,
    )
    assert {
        "https://hooks.example.com/services/T0000000/tokentokentoken",
        "tokentokentoken",
        "a-longer-secret",
        "https://hooks.example.com/a-longer-secret",
        "onetokenonetoken",
    } <= revealed
    assert not {"hooks.example.com", "services", "two"} & revealed
    assert "token" not in repr(loaded.day)
    assert "token" not in loaded.day.model_dump_json()


def test_a_day_is_told_from_an_experiment_by_its_keys(tmp_path: Path) -> None:
    day_of(tmp_path, "[{file: ../e.yaml}]")
    assert kind_of(tmp_path / "days" / "day.yaml") == "game_day"
    assert kind_of(tmp_path / "e.yaml") == "experiment"


def test_the_day_that_is_shipped_and_that_of_the_page_are_right(tmp_path: Path) -> None:
    assert len(load_day(ROOT / "experiments" / "gamedays" / "weekly.yaml", env={}).variants) == 3
    first, windows = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "game-days.md").read_text(), re.M | re.S)
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "steady_state").symlink_to(ROOT / "steady_state")
    page = tmp_path / "experiments" / "gamedays" / "day.yaml"
    page.write_text(first)
    assert load_day(page, env={"HOOK": "https://hooks.example.com/"}).day.title == "Tuesday morning"
    page.write_text(first.replace('window: {days: [tue], from: "10:00", to: "12:00"}\n', windows))
    assert [type(each) for each in load_day(page, env={"HOOK": "https://hooks.example.com/"}).day.windows()] == [
        Window
    ] * 2


JUNK = (
    "null",
    "[]",
    "{",
    "1e400",
    "true",
    "'",
    ":",
    "- a",
    "${x}",
    "${secret.hook}",
    "<<: *a",
    "*a",
    "\x00",
    "99:99",
    "a" * 5000,
)


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(JUNK)), min_size=1, max_size=3))
def test_whatever_stands_in_a_day_it_is_one_or_is_refused_with_the_place(changes: list[tuple[int, str]]) -> None:
    (text, _) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "game-days.md").read_text(), re.M | re.S)
    for number, junk in changes:
        words = list(re.finditer(r'[\w:."${}/-]+', text))
        word = words[number % len(words)]
        text = text[: word.start()] + junk + text[word.end() :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.yaml"
        path.write_bytes(text.replace("../experiments", str(ROOT / "experiments")).encode())
        for load in (load_day, outline):
            try:
                load(path, env={"HOOK": "https://127.0.0.1/x"})
            except SpecError as error:
                for problem in error.problems:
                    assert problem.isprintable()
                    assert re.match(r"[^:]+(:\d+){0,2}: ", problem), problem
