"""A secret is found in whichever form it comes by, and nothing else is touched."""

from __future__ import annotations

import html
import json
import re
import shlex
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from textwrap import fill, indent
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.foreign import brief
from chaosrun.spec.masking import MASK, SHORTEST, Mask, without
from chaosrun.spec.secret import mask

SECRET = 'S3cr3t-"quoted"\\ & währung 😀 a/b+c\'d'
LONG = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9-" * 12

ENCODED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON, as it is": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "Python": repr,
    "Python's bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "UTF-8 taken for Latin-1": lambda text: text.encode().decode("latin-1"),
    "the same in JSON": lambda text: json.dumps(text.encode().decode("latin-1")),
    "a path": quote,
    "a query": quote_plus,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text, safe="")),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every byte in percent": lambda text: "".join(
        char if char.isalnum() and char.isascii() else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in text
    ),
    "HTML": html.escape,
    "a shell": shlex.quote,
    "hexadecimal": lambda text: text.encode().hex(),
    "over lines": lambda text: f"{text[:7]}\n    {text[7:]}",
}
texts = st.text(min_size=SHORTEST, max_size=40).filter(lambda text: len(text.strip()) >= SHORTEST)


@pytest.mark.parametrize("how", ENCODED)
def test_a_secret_is_found_however_it_is_written(how: str) -> None:
    masked = Mask([SECRET])(f"<{ENCODED[how](SECRET)}>")
    assert MASK in masked
    assert not re.search("S3cr|quoted|hrung|c'd", masked)


@pytest.mark.parametrize("how", sorted(set(ENCODED) - {"over lines"}))
def test_of_a_secret_that_is_cut_off_no_part_is_left(how: str) -> None:
    written = ENCODED[how](SECRET)
    for most in range(4, len(written) + 9):
        cut = Mask([SECRET])(brief(f"said: {written} and more", most))
        assert not re.search("S3cr|quoted|hrung|c'd|5333|6372", cut), (most, cut)
        assert cut.startswith("said"), "what stands before it stays"


def test_what_is_cut_off_and_begins_like_a_secret_by_fewer_characters_stays() -> None:
    assert Mask([SECRET])(brief("as S3crets are", 6)) == "as S3c…"
    assert Mask(["secretary"])("secret… secret") == "***… secret"


@settings(max_examples=50)
@given(secret=texts, how=st.sampled_from(sorted(set(ENCODED) - {"over lines"})))
def test_no_secret_is_missed_in_any_form(secret: str, how: str) -> None:
    try:
        written = ENCODED[how](secret)
    except UnicodeEncodeError:  # half of a surrogate pair has no form in UTF-8
        return
    assert MASK in Mask([secret])(f"a{written}b")


@settings(max_examples=50)
@given(secret=texts.filter(lambda text: len(text.encode(errors="ignore")) > 5), before=st.binary(max_size=5))
def test_base64_is_found_wherever_it_stands_in_what_was_encoded(secret: str, before: bytes) -> None:
    data = before + secret.encode(errors="surrogatepass") + b":and more"
    for encode in (b64encode, urlsafe_b64encode):
        assert MASK in Mask([secret])(f"Authorization: Basic {encode(data).decode()}")


def test_base64_and_text_that_run_over_lines_are_found() -> None:
    look = Mask([LONG])
    assert "eyJh" not in look(indent(fill(LONG, 60, break_on_hyphens=False), "   "))
    wrapped = encodebytes(b"user:" + LONG.encode()).decode()
    assert len(look(wrapped)) < 20 < len(wrapped)


def test_what_stands_around_a_secret_stays() -> None:
    text = "line one\n  hunter2-horse and\nthe hunter2-\n   horse again\r\nend\n"
    assert Mask(["hunter2-horse"])(text) == f"line one\n  {MASK} and\nthe {MASK} again\r\nend\n"
    assert mask("nothing to hide\nhere", ["hunter2-horse"]) == "nothing to hide\nhere"


@given(text=st.text(), data=st.binary())
def test_without_secrets_nothing_changes(text: str, data: bytes) -> None:
    nothing = Mask(["", "abc", "12"])
    assert not nothing
    assert (nothing(text), nothing.data(data), nothing.finds(data)) == (text, data, False)


@given(data=st.binary())
def test_bytes_that_are_no_text_stay_as_they_are(data: bytes) -> None:
    assert Mask(["hunter2-horse"]).data(data + b"hunter2-horse" + data) == data + MASK.encode() + data


def test_text_in_latin_1_is_found_too() -> None:
    look = Mask(["währung-geheim"])
    assert look.data("<währung-geheim>".encode("latin-1")) == f"<{MASK}>".encode()
    assert look.finds("<währung-geheim>".encode("latin-1"))
    assert look(quote("währung-geheim", encoding="latin-1")) == MASK


def test_the_longer_of_two_secrets_does_not_shine_through() -> None:
    assert Mask(["hunter2", "hunter2-horse", "hunt"])("hunter2-horse hunter2 hunted") == f"{MASK} {MASK} {MASK}ed"


def test_each_line_of_a_key_counts_by_itself() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----"
    masked = Mask([key])(f"{key}\nonly AoIBAQC7VJTUt9Us8cKj here")
    assert "MIIE" not in masked
    assert "AoIB" not in masked


def test_a_hostile_text_takes_no_more_time_than_its_length() -> None:
    """With expressions that look back it would take minutes; the claim is that it ends."""
    look = Mask([SECRET, "\\" * 20 + '"' * 20, LONG])
    for text in ("\\" * 50_000, "%25" * 25_000, '"' * 50_000, "eyJh" * 12_000, "\n " * 12_000):
        look(text)


@pytest.mark.parametrize("how", ["plain", "JSON", "a path", "a query", "percent"])
def test_the_passwords_of_an_account_are_found_too(how: str) -> None:
    assert "S3cr" not in without(f"<{ENCODED[how](SECRET)}>", [SECRET, "abc"])
    assert without(b64encode(b"me:pa55word").decode(), ["pa55word"]) == f"bWU6{MASK}Q="
