"""The values that options of the reference services take, as texts: whoever starts one, and the program itself, check
them by the same functions. Each raises `argparse.ArgumentTypeError` with what would be right.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

Check = Callable[[str], object]
"""Reads a value of an option."""

_LONGEST = 1_000_000_000


def symbols(text: str) -> tuple[str, ...]:
    """`EURUSD,XAUUSD` as a tuple."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(set(names)) != len(names) or any(" " in name for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of different symbols, as in EURUSD,XAUUSD")
    return names


def rate(text: str) -> float:
    """A number per second."""
    number = _number(text)
    if not 0 < number <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate between 0 and 100000 per second")
    return number


def amount(text: str) -> float:
    """A number that is not below 0; 0 is off."""
    number = _number(text)
    if not 0 <= number <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def at_least(least: int) -> Callable[[str], int]:
    """A whole number from `least` on."""

    def whole(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return whole


def seed(text: str) -> int:
    """A whole number."""
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 100):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def flag(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:9100")
    return host, int(port)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
