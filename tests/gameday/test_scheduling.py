"""What starts a day: units that systemd verifies, times on which it, cron and GitHub agree with the day's own calendar,
and words that arrive in chaosrun as they were."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from chaosrun.errors import SpecError, UsageError
from chaosrun.gameday.calendar import Calendar, beginnings
from chaosrun.gameday.for_cron import crontab
from chaosrun.gameday.for_github import workflow
from chaosrun.gameday.for_systemd import expressions, units
from chaosrun.gameday.loader import outline
from chaosrun.gameday.scheduling import Job, job_of
from chaosrun.spec.gameday import Window

EXPERIMENT = """\
title: Nothing happens
secrets: {token: {env: WS_TOKEN}}
configuration: {clients: {env: CLIENTS, default: 20}}
steady_state: {load: {users: {protocol: mt5, clients: "${clients}", requests: 1/s, headers: {X: "${secret.token}"}}}}
target: {reference: mt5-bridge}
timing: {baseline: 5s}
profiles: {other: {secrets.token: {env: OTHER_TOKEN}}}
"""
WEEKLY = 'time_zone: Europe/Vienna\nwindow: {days: [tue], from: "10:00", to: "12:00"}\n'
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def day(folder: Path, more: str = WEEKLY, *, name: str = "day.yaml", entry: str = "{file: e.yaml}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "e.yaml").write_text(EXPERIMENT)
    path = folder / name
    path.write_text(f"title: A day\nexperiments: [{entry}]\n{more}")
    return path


def job(path: Path, *, yes: bool = False, environment: dict[str, str] | None = None) -> Job:
    return job_of(
        path, outline(path, env={}), report_dir=path.parent / "reports", yes=yes, environment=environment or {}
    )


# ---- systemd --------------------------------------------------------------------------------------------------------

systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
ODD = "a b'c\"d%n$HOME\\e;f\\%g"
"""A name with everything that systemd, cron or a shell takes for more than itself."""


def analyze(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, args)], check=False, capture_output=True, text=True, timeout=60)


@systemd
@pytest.mark.parametrize("name", ["day.yaml", ODD])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, name: str) -> None:
    written = units(replace(job(day(tmp_path / name, name=name)), command=("/bin/true", str(tmp_path / name))))
    for file, text in written.items():
        (tmp_path / file).write_text(text)
    done = analyze("verify", "--man=no", *(tmp_path / file for file in written))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@systemd
@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "windows",
    [
        [("10:00", "12:00", "tue")],
        [("22:00", "24:00", "fri", "sat"), ("00:00", "01:30", "sat", "sun"), ("06:45", "07:00", "mon")],
        [("02:30", "04:00")],
    ],
)
def test_systemd_elapses_when_the_windows_begin_but_for_times_that_the_clock_leaps_over(
    tmp_path: Path, zone: str, windows: list[tuple[str, ...]]
) -> None:
    listed = [{"from": start, "to": end, **({"days": list(days)} if days else {})} for start, end, *days in windows]
    path = day(tmp_path, f"time_zone: {zone}\nwindow: {json.dumps(listed)}\n")
    calendar = Calendar([Window.model_validate(each) for each in listed], (), ZoneInfo(zone))
    # From before the spring of one half of the world to after that of the other.
    begin, end = datetime(2026, 9, 25, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    expected, now = set(), begin
    while (stretch := calendar.next_after(now)) is not None and stretch.begin < end:
        local = stretch.begin.astimezone(ZoneInfo(zone))
        if f"{local:%H:%M}" in {start for start, *_ in windows}:
            expected.add(stretch.begin)
        now = stretch.begin
    assert {each for each in elapses(expressions(job(path)), begin) if each < end} == expected
    assert expected


def elapses(times: list[str], begin: datetime) -> set[datetime]:
    found: set[datetime] = set()
    for expression in times:
        done = analyze("calendar", f"--base-time={begin:%Y-%m-%d %H:%M:%S} UTC", "--iterations=80", expression)
        assert done.returncode == 0, done.stderr
        for text in re.findall(r"(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w+ ([0-9-]+ [0-9:]+) UTC", done.stdout):
            found.add(datetime.fromisoformat(text).replace(tzinfo=UTC))
    return found


def test_a_timer_makes_up_for_nothing_and_a_stop_leaves_the_guardian_alone(tmp_path: Path) -> None:
    service, timer = units(job(day(tmp_path))).values()
    assert "\nPersistent=false\n" in timer
    assert "\nOnCalendar=Tue *-*-* 10:00:00 Europe/Vienna\n" in timer
    assert "\nKillMode=process\n" in service
    assert "\nSuccessExitStatus=75\n" in service


def test_words_of_a_unit_stand_for_themselves(tmp_path: Path) -> None:
    service = units(job(day(tmp_path / ODD)))["chaosrun-a-day.service"]
    folder = f"{tmp_path}/a b'c\\\"d%%n$$HOME\\\\e;f\\\\%%g"
    assert f'"{folder}/day.yaml"' in service


@systemd
def test_a_dollar_is_doubled_where_systemd_takes_it_for_more_alone(tmp_path: Path) -> None:
    program = tmp_path / "a$b %c" / "chaosrun"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environment = {"CHAOSRUN_STATE_DIR": "/var/$lib"}
    written = units(replace(job(day(tmp_path), environment=environment), command=(str(program), "$x")))
    assert "\nEnvironment=CHAOSRUN_STATE_DIR=/var/$lib\n" in written["chaosrun-a-day.service"]
    for file, text in written.items():
        (tmp_path / file).write_text(text)
    done = analyze("verify", "--man=no", *(tmp_path / file for file in written))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert written["chaosrun-a-day.service"].count("$$x") == 1


def test_a_file_of_variables_may_be_missing_where_all_of_them_have_defaults(tmp_path: Path) -> None:
    with_a_secret = job(day(tmp_path))
    assert with_a_secret.variables == {"CLIENTS": False, "WS_TOKEN": True}
    place = "/etc/chaosrun/chaosrun-a-day.env"
    assert f"\nEnvironmentFile={place}\n" in units(with_a_secret)["chaosrun-a-day.service"]
    without = replace(with_a_secret, variables={"CLIENTS": False})
    assert f"\nEnvironmentFile=-{place}\n" in units(without)["chaosrun-a-day.service"]


@pytest.mark.parametrize("end", ["\\", " "])
def test_the_end_of_a_folders_name_joins_no_line_and_is_not_dropped(tmp_path: Path, end: str) -> None:
    service = units(replace(job(day(tmp_path)), directory=f"/srv/a{end}"))["chaosrun-a-day.service"]
    assert f"\nWorkingDirectory=/srv/a{end}/\n" in service


def test_a_unit_is_the_users_who_made_it_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert f"\nUser={pwd.getpwuid(os.geteuid()).pw_name}\n" in units(job(day(tmp_path)))["chaosrun-a-day.service"]


def test_a_user_finds_the_runs_of_a_timer_where_those_by_hand_are(tmp_path: Path) -> None:
    service = units(job(day(tmp_path), environment={"CHAOSRUN_STATE_DIR": "/var/lib/of mine", "TOKEN": "secret"}))
    assert 'Environment="CHAOSRUN_STATE_DIR=/var/lib/of mine"' in service["chaosrun-a-day.service"]
    assert "secret" not in "".join(service.values())
    assert job(day(tmp_path), environment={"XDG_STATE_HOME": "/s"}).settings == {"CHAOSRUN_STATE_DIR": "/s/chaosrun"}
    # A relative one counts for nothing, by hand either.
    assert job(day(tmp_path), environment={"XDG_STATE_HOME": "s"}).settings == {}


# ---- cron -----------------------------------------------------------------------------------------------------------


def as_cron_reads(command: str) -> str:
    """What cron hands to its shell: a % ends it, unless a backslash escapes it, which goes; any other character that is
    escaped keeps its backslash, another one too (do_command.c of Debian's cron and of cronie)."""
    found, escaped = "", False
    for char in command:
        if char == "%" and not escaped:
            break
        found = found[:-1] + "%" if char == "%" else found + char
        escaped = char == "\\" and not escaped
    return found


def test_a_line_of_cron_is_at_the_beginning_of_each_window_and_its_words_arrive(tmp_path: Path) -> None:
    more = WEEKLY.replace("[tue]", "[tue, sun]")
    path = day(tmp_path / ODD, more)
    show = tmp_path / "show"
    show.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n')
    show.chmod(0o755)
    plain = replace(job(path), command=(str(show), "gameday", str(path)), directory=str(path.parent))
    line = crontab(plain)["chaosrun-a-day.crontab"].splitlines()
    assert "CRON_TZ=Europe/Vienna" in line
    assert line[-1].startswith("0 10 * * 0,2 ")
    command = line[-1].removeprefix("0 10 * * 0,2 ")
    done = subprocess.run(["/bin/sh", "-c", as_cron_reads(command)], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(path.parent), "gameday", str(path)]


# ---- GitHub ---------------------------------------------------------------------------------------------------------


def crons(tmp_path: Path, window: str, zone: str = "Europe/Vienna") -> list[str]:
    path = day(tmp_path, f"time_zone: {zone}\nwindow: {window}\n")
    (text,) = workflow(job(path), path, NOW).values()
    # YAML 1.1 takes the key `on` for true.
    return [each["cron"] for each in yaml.safe_load(text)[True]["schedule"]]


@pytest.mark.parametrize(
    ("window", "zone", "expected"),
    [
        ('{days: [tue], from: "10:00", to: "12:00"}', "Europe/Vienna", ["0 9 * * 2"]),
        ('{days: [tue], from: "10:00", to: "11:00"}', "Europe/Vienna", ["0 8 * * 2", "0 9 * * 2"]),
        ('{days: [tue], from: "10:00", to: "12:00"}', "Asia/Kathmandu", ["15 4 * * 2"]),
        ('{days: [mon], from: "00:30", to: "04:00"}', "Europe/Vienna", ["30 23 * * 0"]),
        ('{days: [sun], from: "00:30", to: "01:00"}', "Australia/Lord_Howe", ["0 14 * * 6", "30 13 * * 6"]),
    ],
)
def test_a_workflow_begins_in_utc_within_the_window_all_year_and_never_twice(
    tmp_path: Path, window: str, zone: str, expected: list[str]
) -> None:
    assert sorted(crons(tmp_path, window, zone)) == sorted(expected)
    one = Window.model_validate(yaml.safe_load(window))
    calendar = Calendar([one], (), ZoneInfo(zone))
    begun: dict[datetime, int] = {}
    for offset in range(400):
        on = NOW + timedelta(days=offset)
        for cron in expected:
            minute, hour, *_, weekday = cron.split()
            moment = on.replace(hour=int(hour), minute=int(minute))
            stretch = calendar.inside(moment) if moment.isoweekday() % 7 == int(weekday) else None
            if stretch is not None:
                begun[stretch.begin] = begun.get(stretch.begin, 0) + 1
    assert set(begun.values()) == {1}
    assert len(begun) >= 56


def test_a_short_window_beside_a_long_one_is_within_the_workflow_all_year(tmp_path: Path) -> None:
    windows = '[{days: [tue], from: "10:00", to: "10:30"}, {days: [wed], from: "10:00", to: "14:00"}]'
    assert sorted(crons(tmp_path, windows)) == ["0 8 * * 2", "0 9 * * 2", "0 9 * * 3"]


def test_a_workflow_names_its_variables_as_secrets_and_its_file_as_the_repository_has_it(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    path = day(tmp_path / "days", f"{WEEKLY}secrets: {{hook: {{env: HOOK}}}}\n")
    path.write_text(path.read_text().replace("A day", """'A "day" with $${{ secrets.HOOK }}: all'"""))
    (text,) = workflow(job(path, yes=True), path, NOW).values()
    steps = yaml.safe_load(text)["jobs"]["game-day"]["steps"]
    run = next(each for each in steps if each.get("name"))
    assert run["env"] == {name: f"${{{{ secrets.{name} }}}}" for name in ("HOOK", "CLIENTS", "WS_TOKEN")}
    assert "chaosrun gameday days/day.yaml --no-live --yes || code=$?" in run["run"]
    assert yaml.safe_load(text)["name"] == 'Game day: A "day" with $ {{ secrets.HOOK }}: all'
    assert next(each["run"] for each in steps if "run" in each) == "pip install chaosrun"


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("notify", "extra"),
    [
        ("", ""),
        ("[]", ""),
        ('[{webhook: "${secret.hook}", apprise: null}]', ""),
        ('[{webhook: "http://127.0.0.1/"}, {apprise: "json://127.0.0.1"}]', "[notify]"),
        ('[{apprise: "${secret.hook}"}]', "[notify]"),
    ],
)
def test_a_workflow_installs_the_extra_that_its_notices_need_and_no_other(
    tmp_path: Path, notify: str, extra: str, own: bool
) -> None:
    """Also where the address of the notice is a variable that is not set here."""
    if own:
        (tmp_path / "pyproject.toml").write_text('name = "chaosrun"\n')
    (tmp_path / ".git").mkdir()
    more = f"{WEEKLY}secrets: {{hook: {{env: HOOK}}}}\n"
    path = day(tmp_path / "days", f"{more}notify: {notify}\n" if notify else more)
    (text,) = workflow(job(path), path, NOW).values()
    steps = yaml.safe_load(text)["jobs"]["game-day"]["steps"]
    install = next(each["run"] for each in steps if "run" in each)
    assert shlex.split(install) == ["pip", "install", ("." if own else "chaosrun") + extra]


def test_a_secret_that_the_repository_does_not_have_leaves_its_default_in_place(tmp_path: Path) -> None:
    path = day(tmp_path)
    (text,) = workflow(job(path), path, NOW).values()
    (step,) = (each for each in yaml.safe_load(text)["jobs"]["game-day"]["steps"] if each.get("name"))
    fake = tmp_path / "bin" / "chaosrun"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "${CLIENTS-none} ${WS_TOKEN-none}"\n')
    fake.chmod(0o755)
    # As GitHub fills them in: a secret that is not there is a text without characters.
    env = {"PATH": f"{fake.parent}:/usr/bin:/bin", "CLIENTS": "", "WS_TOKEN": "a token"}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], check=True, env=env, timeout=60, capture_output=True, text=True
    )
    assert done.stdout == "none a token\n"


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (5, 5), (75, 0)])
def test_the_step_of_a_workflow_ends_as_the_day_does_unless_it_was_refused(
    tmp_path: Path, code: int, expected: int
) -> None:
    path = day(tmp_path)
    (text,) = workflow(job(path), path, NOW).values()
    (step,) = (each for each in yaml.safe_load(text)["jobs"]["game-day"]["steps"] if each.get("name"))
    fake = tmp_path / "bin" / "chaosrun"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nexit {code}\n")
    fake.chmod(0o755)
    # As GitHub's runner does where no shell is named: bash -e FILE.
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], check=False, env={"PATH": f"{fake.parent}:/usr/bin:/bin"}, timeout=60
    )
    assert done.returncode == expected


# ---- all of them ----------------------------------------------------------------------------------------------------


def every(path: Path) -> str:
    plain = job(path)
    texts = {**units(plain), **crontab(plain), **workflow(plain, path, NOW)}
    return "\n".join(texts.values())


def test_every_variable_of_the_day_and_of_its_experiments_is_named_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_TOKEN", "a-secret-value")
    monkeypatch.setenv("HOOK", "https://hooks.example.com/a-secret-value")
    more = f'{WEEKLY}secrets: {{hook: {{env: HOOK}}}}\nnotify: [{{webhook: "${{secret.hook}}"}}]\n'
    path = day(tmp_path, more)
    assert outline(path).variables == {"HOOK": True, "WS_TOKEN": True, "CLIENTS": False}
    assert job(path).needed == "HOOK, CLIENTS (or its default), WS_TOKEN"
    text = every(path)
    assert text.count("HOOK, CLIENTS (or its default), WS_TOKEN") == 2
    assert "a-secret-value" not in text
    assert "EnvironmentFile=/etc/chaosrun/chaosrun-a-day.env" in text


def test_a_variable_of_the_profile_that_the_day_takes_is_named(tmp_path: Path) -> None:
    assert "OTHER_TOKEN" in outline(day(tmp_path, entry="{file: e.yaml, profile: other}"), env={}).variables


def test_a_day_without_a_beginning_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    for more in ("", 'window: {from: "00:00", to: "24:00"}\n'):
        with pytest.raises(UsageError, match="give it a `window`"):
            job(day(tmp_path, more))


def test_a_path_that_no_file_of_a_timer_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rename"):
        job(day(tmp_path / "a\nExecStart=/bin/evil"))


@pytest.mark.parametrize("name", ["X\\nExecStartPre=/bin/evil", "X }}", "A B", ""])
def test_a_variable_that_could_be_more_than_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits and _"):
        job(day(tmp_path, f'{WEEKLY}secrets: {{hook: {{env: "{name}"}}}}\n'))


def test_what_is_wrong_with_the_day_itself_is_told_and_times_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="ZONE"):
        outline(day(tmp_path, "configuration: {zone: {env: ZONE}}\ntime_zone: ${zone}\n"), env={})
    with pytest.raises(SpecError, match="stop_on"):
        outline(day(tmp_path, "stop_on: [failed]\n"), env={})


def test_windows_that_adjoin_are_begun_once() -> None:
    night = [
        Window.model_validate({"days": ["tue"], "from": "22:00", "to": "24:00"}),
        Window.model_validate({"days": ["wed"], "from": "00:00", "to": "02:00"}),
    ]
    assert beginnings(night) == [(1, 22 * 60, timedelta(hours=4))]
    week_end = [
        Window.model_validate({"days": ["sun"], "from": "22:00", "to": "24:00"}),
        Window.model_validate({"days": ["mon"], "from": "00:00", "to": "02:00"}),
    ]
    assert beginnings(week_end) == [(6, 22 * 60, timedelta(hours=4))]
