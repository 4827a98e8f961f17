from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.spec.expression import wrong_expression

ENDLESS = (
    r"(a+)+b",
    r"(a*)*b",
    r"(a|ab|b)*c",
    r"(\w+\s*)+$",
    r'([^"\\]+|\\.)*"',
    r"(a?){30}a{30}",
    r"((a{1,2}){9}){9}b",
    r"(?P<x>(\d+)*)x",
    r"(.*,)*x",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?i:(A|a)+)+b",
    r"(?=(a+)+b)",
    r"(x)?(?(1)(a+)+b|c)",
    "a?" * 30 + "a" * 30,
    ".*" * 12 + "x",
)
FINE = (
    r"hello (?P<id>\d+)",
    r"^tick (?P<s>\w+) (?P<p>\d+(?:\.\d+)?)$",
    r"(?:[a-z]+,)*x",
    r"(?:\w+\s)+$",
    r"(?:[^,]*,)*x",
    r"(?:.*\n)*x",
    r'"(?:[^"\\]|\\.)*"',
    r"\d+(?:\.\d+)*",
    r"(?:foo|far)*",
    r"\d{1,3}(?:,\d{3})*",
    r"((?:\d{1,3}\.){3}\d{1,3})",
    r"(?:[A-Z]+;|[0-9]+,)*",
    r".*a.*b.*c",
    r"(a+)++b",
    r"(?>a+)+b",
    r"(?P<body>\{.*\})",
    r"a=\d* b=\d* c=\d* d=\d* e=\d* f=\d* g=\d* h=\d* i=\d* j=\d* k=\d* l=\d*",
)


class _TooLong(Exception):
    """The CPU time is used up."""


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """Stops what takes longer: `re` looks for signals while it searches."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("text", ENDLESS)
def test_an_expression_that_a_text_could_hold_up_for_ever_is_refused(text: str) -> None:
    said = wrong_expression(text)
    assert said is not None
    assert "no fixed length" in said


@pytest.mark.parametrize("text", FINE)
def test_what_people_write_is_taken(text: str) -> None:
    assert wrong_expression(text) is None


@pytest.mark.parametrize("text", ["(", "a{99999999999}", "[b-a]", "(?P<1>a)", "(" * 900 + ")" * 900, "*", "a" * 3000])
def test_what_does_not_compile_is_told(text: str) -> None:
    assert wrong_expression(text) is not None


def test_an_endless_expression_would_be_one() -> None:
    with pytest.raises(_TooLong), at_most(0.2):
        re.search(r"(a+)+b", "a" * 40)


EXPRESSION = st.recursive(
    st.sampled_from(("a", "b", "[ab]", ".", "[^a]", "ab", r"\w", ",", r"\s")),
    lambda inner: (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})")
        | st.tuples(inner, st.sampled_from(("*", "+", "?", "*?", "{0,3}", "{2}", "{1,40}"))).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300)
@given(EXPRESSION, st.sampled_from(("a", "b", "ab", "a,", "aab")))
def test_an_expression_that_is_taken_ends_soon(text: str, letters: str) -> None:
    if wrong_expression(text) is None:
        with at_most(1.0):
            re.search(f"^(?:{text})x", (letters * 60)[:60] + "!")
