from __future__ import annotations

import pytest

from chaosrun.spec.overrides import Misplaced, split_path

METHOD = """\
method:
  - {name: crash, fault: process_kill, role: server, restart: {by: chaosrun, after: 1s}}
  - {pause: 1s}
  - {fault: noop}
expect:
  - {metric: bad, max: 1%}
  - {metric: usable, min: 90%}
"""


def test_the_command_line_wins_over_the_profile_which_wins_over_the_file(load) -> None:
    text = "timing: {warmup: 1s, baseline: 10s, verify: 4s}\nprofiles: {p: {timing: {baseline: 20s, verify: 5s}}}\n"
    timing = load(text, profile="p", sets=("timing.verify=6s",)).experiment.timing
    assert (timing.warmup, timing.baseline, timing.verify) == (1_000_000_000, 20_000_000_000, 6_000_000_000)


def test_the_last_of_two_sets_wins(load) -> None:
    assert load(sets=("title=one", "title=two")).experiment.title == "two"


def test_a_path_leads_into_an_included_file(load) -> None:
    files = {"s/state.yaml": "load: {accounts: {protocol: mt5, clients: 300}}\n"}
    base = "title: t\nsteady_state: s/state.yaml\ntarget: {reference: mt5-bridge}\n"
    loaded = load(base=base, files=files, sets=("steady_state.load.accounts.clients=20",))
    assert loaded.experiment.steady_state.load["accounts"].clients == 20


def test_mappings_merge_while_scalars_and_lists_replace(load) -> None:
    experiment = load(
        "tags: [a, b]\nrecovery: {stable_for: 6s, no_relapse: true}\n", sets=("recovery={stable_for: 7s}", "tags=[c]")
    ).experiment
    assert experiment.recovery.stable_for == 7_000_000_000
    assert experiment.recovery.no_relapse
    assert experiment.tags == ("c",)


@pytest.mark.parametrize("value", ["null", ""])
def test_null_deletes(load, value: str) -> None:
    assert load("description: d\n", sets=(f"description={value}",)).experiment.description == ""


def test_null_inside_a_merged_mapping_deletes_one_key(load) -> None:
    experiment = load("recovery: {within: 9s, stable_for: 6s}\n", sets=("recovery={within: null}",)).experiment
    assert experiment.recovery.within is None
    assert experiment.recovery.stable_for == 6_000_000_000


@pytest.mark.parametrize("path", ["method.0", "method.crash"])
def test_an_item_of_a_list_is_named_by_index_or_name(load, path: str) -> None:
    assert load(METHOD, sets=(f"{path}.restart.after=3s",)).experiment.method[0].restart.after == 3_000_000_000


def test_an_item_without_a_name_goes_by_its_metric_or_its_fault(load) -> None:
    experiment = load(METHOD, sets=("expect.usable.min=80%", "method.noop.name=nothing")).experiment
    assert experiment.expect[1].min.value == 0.8
    assert experiment.method[2].name == "nothing"


def test_an_item_of_a_list_is_deleted_by_null(load) -> None:
    assert len(load(METHOD, sets=("method.1=null",)).experiment.method) == 2


def test_an_ambiguous_name_asks_for_an_index(problems) -> None:
    text = "expect:\n  - {metric: bad, max: 1%}\n  - {metric: bad, max: 2%}\n"
    assert problems(text, sets=("expect.bad.max=3%",)) == (
        "--set expect.bad.max=3%: expect has 2 entries called 'bad'; give an index",
    )


def test_a_misspelt_group_is_an_error_and_not_a_new_group(problems) -> None:
    assert problems(sets=("steady_state.load.acounts.clients=20",)) == (
        "--set steady_state.load.acounts.clients=20: steady_state.load has no entry 'acounts'; "
        "did you mean 'accounts'?; a new one needs a whole mapping",
    )


def test_a_whole_mapping_makes_a_new_group(load) -> None:
    loaded = load(sets=("steady_state.load.more={protocol: mt5, clients: 2}",))
    assert set(loaded.experiment.steady_state.load) == {"accounts", "more"}


def test_keys_that_are_known_may_be_created_by_a_path(load) -> None:
    loaded = load(sets=("recovery.tolerate.sessions=2%", "steady_state.load.accounts.ramp.over=1s"))
    assert loaded.experiment.recovery.tolerate.sessions == 0.02


def test_a_backslash_makes_a_dot_literal() -> None:
    assert split_path(r"a.b\.c.d\\e") == ("a", "b.c", r"d\e")


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\"])
def test_a_path_has_no_empty_part(text: str) -> None:
    with pytest.raises(Misplaced):
        split_path(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title", "--set title: has no value; write --set path=value"),
        (
            "timing.basline=4s",
            "--set timing.basline=4s: timing.basline: unknown key 'basline'; did you mean",
        ),
        ("timing.baseline=4", "--set timing.baseline=4: timing.baseline: 4 is a bare number; write 4s"),
        ("title.a=1", "--set title.a=1: title is a single value; nothing can be set inside it"),
        ("title=[1", "--set title=[1: not valid YAML: "),
        ("secrets.a.b=hunter2", "--set secrets.a.b=***: secrets has no entry 'a'; a new one needs a whole mapping"),
    ],
)
def test_an_error_in_an_override_names_the_option(problems, text: str, says: str) -> None:
    (said,) = problems(sets=(text,))
    assert said.startswith(says)


def test_another_target_file_takes_the_place_of_the_experiments_own(load) -> None:
    loaded = load(files={"local.yaml": "url: ws://127.0.0.1:9000/ws\n"}, target="local.yaml")
    assert loaded.experiment.target.url == "ws://127.0.0.1:9000/ws"
    assert loaded.experiment.target.reference is None


def test_a_target_file_that_is_not_there_is_said_of_the_option(problems) -> None:
    assert problems(target="nowhere.yaml") == (
        "--target nowhere.yaml: target: cannot read nowhere.yaml: there is no such file",
    )


def test_a_profile_may_bring_another_file(load) -> None:
    files = {"small.yaml": "load: {few: {protocol: mt5, clients: 3}}\n"}
    loaded = load("profiles: {p: {steady_state: small.yaml}}\n", files=files, profile="p")
    assert set(loaded.experiment.steady_state.load) == {"few"}


def test_an_unknown_profile_is_answered_with_those_that_there_are(problems) -> None:
    assert problems("profiles: {smoke: {}}\n", profile="smok") == (
        "--profile smok: e.yaml has no such profile; did you mean 'smoke'?",
    )


def test_without_sets_every_profile_is_checked_whichever_is_chosen(problems) -> None:
    text = "profiles: {good: {title: g}, bad: {timing.verify: 1}}\n"
    assert problems(text, profile="good") == ("e.yaml:6:51: timing.verify: 1 is a bare number; write 1s",)
    assert problems(text, profile="good", sets=("title=t",)) == ()
