"""From the reference that a user writes to a protocol."""

from __future__ import annotations

import pytest

from chaosrun.errors import UsageError
from chaosrun.protocols import find, names
from chaosrun.protocols._base import Handshake
from chaosrun.protocols.mt5 import Mt5


def test_a_built_in_protocol_is_found_by_its_modules_name():
    assert "mt5" in names()
    assert isinstance(find("mt5"), Mt5)


def test_a_class_is_found_by_module_and_name():
    assert isinstance(find("chaosrun.protocols.mt5:Mt5"), Mt5)


@pytest.mark.parametrize("reference", ["mt6", "yaml", "_base", "no.such:Class", "chaosrun.protocols.mt5:Nobody"])
def test_what_is_not_there_is_refused_in_words(reference):
    with pytest.raises(UsageError):
        find(reference)


def test_what_is_no_protocol_is_refused():
    with pytest.raises(UsageError, match="not a subclass"):
        find("collections:OrderedDict")


@pytest.mark.parametrize(
    ("shake", "url"),
    [
        (Handshake(), "ws://h:1/base?a=1"),
        (Handshake(path="/ws"), "ws://h:1/ws?a=1"),
        (Handshake(path="/ws", query={"t": "x y"}), "ws://h:1/ws?a=1&t=x+y"),
    ],
)
def test_path_replaces_the_targets_and_query_is_added(shake, url):
    assert shake.url("ws://h:1/base?a=1") == url
