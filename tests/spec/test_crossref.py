"""What one part of an experiment says about another, beyond the messages in bad/."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ConfigDict

from chaosrun import reference
from chaosrun.errors import UsageError
from chaosrun.spec.catalogue import REFERENCES, Catalogue, installed
from chaosrun.spec.placeholders import words_of
from chaosrun.spec.plan import make_plan
from chaosrun.spec.steps import OtherFaultStep


class Quake(BaseModel):
    """The keys of a fault that a package adds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: str
    strength: float = 1.0


def make(step: OtherFaultStep) -> SimpleNamespace:
    """A quake lasts, unless it is weak; what is weaker than nothing is refused."""
    strength = float(step.keys_of_its_own().get("strength", 1.0))
    if strength < 0:
        raise UsageError(f"no quake has a strength of {strength:g}")
    return SimpleNamespace(sustained=strength >= 1)


@pytest.fixture
def catalogue() -> Catalogue:
    """Everything installed, and a fault `quake`, as if a package had added it."""
    known = installed()

    def fault(name: str) -> object:
        if name == "quake":
            return SimpleNamespace(Spec=Quake, make=make)
        if name == "bare":
            return SimpleNamespace(make=make)
        raise UsageError(f"no fault {name!r}")

    return replace(known, faults=lambda: ("noop", "process_kill", "quake"), fault=fault)


def test_a_fault_that_a_package_adds_is_checked_by_its_own_type(load, problems, catalogue: Catalogue) -> None:
    loaded = load("method: [{name: big, fault: quake, role: server, strength: 2.5}]\n", catalogue=catalogue)
    (step,) = loaded.experiment.method
    assert step.keys_of_its_own() == {"role": "server", "strength": 2.5}
    (fault,) = make_plan(loaded, catalogue).faults
    assert (fault.name, fault.kind, fault.role, fault.sustained) == ("big", "quake", "server", True)
    assert problems("method: [{fault: quake, role: server, strenght: 2}]\n", catalogue=catalogue) == (
        "e.yaml:6:49: method.0.strenght: unknown key 'strenght'",
    )
    assert problems("method: [{fault: quake, role: sever}]\n", catalogue=catalogue) == (
        "e.yaml:6:31: method.0.role: the target has no role 'sever'; did you mean 'server'?",
    )


def test_whether_a_fault_that_a_package_adds_can_be_held_is_asked_of_itself(problems, catalogue: Catalogue) -> None:
    def said(strength: float, where: str = "method") -> tuple[str, ...]:
        step = f"{{fault: quake, role: server, strength: {strength}, for: 3s}}"
        return problems(
            f"{where}: [{step}]\nmethod: [{{fault: noop}}]\n" if where != "method" else f"method: [{step}]\n",
            catalogue=catalogue,
        )

    assert said(2.5) == ()
    assert "over at once, and `for` holds what lasts" in said(0.5)[0]
    assert said(-1.0) == ("e.yaml:6:10: method.0: no quake has a strength of -1",)
    assert "a rollback stays done" in said(2.5, "rollbacks")[0]


def test_a_fault_without_a_type_takes_no_keys(problems, catalogue: Catalogue) -> None:
    (said,) = problems("method: [{fault: bare, x: 1}]\n", catalogue=catalogue)
    assert said.endswith("method.0: bare takes no keys of its own; take out x")


def test_a_fault_that_nobody_knows_is_answered_with_the_one_that_was_meant(problems, catalogue: Catalogue) -> None:
    (said,) = problems("method: [{fault: quaek}]\n", catalogue=catalogue)
    assert said == "e.yaml:6:18: method.0.fault: no fault 'quaek'; did you mean 'quake'?"


def test_the_roles_of_the_reference_services_are_those_that_they_have() -> None:
    assert {name: set(reference.service(name).roles) for name in reference.names()} == {
        name: set(roles) for name, roles in REFERENCES.items()
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{id}", ("id",)),
        ("a {client} b {account.user}", ("client", "account.user")),
        ("{{id}}", ()),
        (r"\d{2,3} {4}", ()),
        ('{"op": "x"}', ()),
    ],
)
def test_placeholders_are_words_in_single_braces(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_a_table_of_accounts_gives_its_columns(load, problems) -> None:
    base = """\
title: t
steady_state:
  load:
    a:
      clients: 3
      accounts: {csv: a.csv, exhausted: EXHAUSTED}
      protocol: {open: [{send: {user: "{account.WORD}"}}]}
target: {reference: mt5-bridge}
"""
    files = {"a.csv": "user,token\nann,1\nbob,2\n"}
    right = base.replace("EXHAUSTED", "cycle").replace("WORD", "user")
    load(base=right, files=files)
    (said,) = problems(base=right.replace("account.user", "account.usr"), files=files)
    assert "the accounts have no column 'usr'; did you mean 'user'?" in said
    (said,) = problems(base=right.replace("cycle", "fail"), files=files)
    assert "has 2 accounts for 3 clients" in said


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "has no rows"),
        ("user,token\n", "has no rows"),
        ("user,token\nann\n", "row 2 has 1 values for 2 columns"),
        ('user\n"ann\n', "is not a table"),
    ],
)
def test_a_table_that_is_none_is_refused_without_showing_its_rows(problems, table: str, says: str) -> None:
    sets = ("steady_state.load.accounts.accounts.csv=a.csv",)
    (said,) = problems(files={"a.csv": table}, sets=sets)
    assert says in said
    assert "ann," not in said
    assert '"ann' not in said


def test_options_of_a_reference_hold_no_secret(problems) -> None:
    text = "secrets: {s: hidden-value}\n"
    (said,) = problems(text, sets=("target.options={x: ['${secret.s}']}",))
    assert said == "--set target.options={x: ['${secret.s}']}: target.options.x: a secret may not stand here"
