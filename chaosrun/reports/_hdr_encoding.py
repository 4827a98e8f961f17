"""One HdrHistogram as text: the encoding "V2, compressed", in base64, as interval logs hold it.

Source: HdrHistogram, `AbstractHistogram.encodeIntoCompressedByteBuffer`, and the description of its log encoding. It is
written here because the package `hdrhistogram` is a C extension that not every machine has a wheel of; the tests hold
it to that package, byte for byte.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

DIGITS: Final = 3
"""Significant decimal digits that are kept of every value."""
LOWEST: Final = 1

_SUB_BITS: Final = 11
"""2048 sub-buckets, the first power of two that tells 2 * 10^DIGITS values apart."""
_HALF: Final = 1 << (_SUB_BITS - 1)
_COOKIE: Final = 0x1C849313
"""V2, counts of variable length."""
_COMPRESSED_COOKIE: Final = 0x1C849314


def index_of(value: int) -> int:
    """The place of a value among the counts: below 2048 each has its own, above it each octave has 1024."""
    shift = max(0, value.bit_length() - _SUB_BITS)
    return shift * _HALF + (value >> shift)


def encoded(counts: Mapping[int, int], highest: int) -> str:
    """A histogram of integers.

    Args:
        counts: how many there were, by `index_of`; none of them 0.
        highest: the largest value that the histogram is made for.
    """
    body = bytearray()
    free = 0
    for index, count in sorted(counts.items()):
        if index > free:
            body += _varint(free - index)  # a run of zeros is its length, negative
        body += _varint(count)
        free = index + 1
    head = struct.pack(">IIIIQQd", _COOKIE, len(body), 0, DIGITS, LOWEST, highest, 1.0)
    packed = zlib.compress(head + bytes(body))
    return b64encode(struct.pack(">II", _COMPRESSED_COOKIE, len(packed)) + packed).decode()


def _varint(number: int) -> bytes:
    """ZigZag, then LEB128; counts are below 2^55, so that its ninth byte, which differs, is never reached."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
