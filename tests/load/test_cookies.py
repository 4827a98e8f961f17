"""What a client keeps of the cookies that a service sets, and what it sends of them."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from chaosrun.load.cookies import MOST, Cookies, kept, with_cookies
from chaosrun.load.dialling import address_of

HERE = address_of("ws://svc.example:1/ws/market")
SECURE = address_of("wss://svc.example:1/ws/market")


def sent(*lines: str, own: dict[str, str] | None = None, address=HERE) -> str:
    cookies = Cookies({} if own is None else own)
    cookies.take(3, lines, address)
    return cookies.header(3, address)


def test_without_cookies_a_group_neither_sends_nor_keeps_any() -> None:
    cookies = Cookies(None)
    cookies.take(3, ["a=1"], HERE)
    assert cookies.header(3, HERE) == ""


def test_a_client_sends_its_own_and_what_the_service_set_for_it_alone() -> None:
    cookies = Cookies({"team": "blue"})
    cookies.take(3, ["AWSALB=i-1; Path=/", "lang=en; Path=/"], HERE)
    assert cookies.header(3, HERE) == "team=blue; AWSALB=i-1; lang=en"
    assert cookies.header(4, HERE) == "team=blue"


def test_the_service_may_change_and_take_back_every_cookie() -> None:
    assert sent("a=2; Path=/", own={"a": "1"}) == "a=2"
    assert sent("a=; Max-Age=0; Path=/", own={"a": "1", "b": "2"}) == "b=2"
    assert sent(f"a=x; Expires={formatdate(time.time() - 9, usegmt=True)}; Path=/", own={"a": "1"}) == ""
    assert sent("a=x; Expires=Wed, 21-Oct-2015 07:28:00 GMT; Path=/", own={"a": "1"}) == ""


def test_a_cookie_is_sent_until_it_expires_and_max_age_counts_more_than_a_date() -> None:
    gone = formatdate(time.time() - 9, usegmt=True)
    cookie = kept(f"a=1; Expires={gone}; Max-Age=60", HERE, 1000.0)
    assert cookie is not None
    assert cookie.expires_s == 1060
    assert sent(f"a=1; Expires={gone}; Max-Age=60") == "a=1"
    assert sent("a=1; Expires=whenever; Max-Age=soon") == "a=1"


@pytest.mark.parametrize(
    ("line", "is_sent"),
    [
        ("a=1; Path=/ws", True),
        ("a=1; Path=/ws/market", True),
        ("a=1; Path=/ws/mark", False),
        ("a=1; Path=/other", False),
        ("a=1; Path=no-path", True),
        ("a=1; Domain=svc.example", True),
        ("a=1; Domain=.EXAMPLE", True),
        ("a=1; Domain=other.example", False),
        ("a=1; Domain=vc.example", False),
        ("a=1; HttpOnly; SameSite=Strict", True),
        ("a=1; Secure", False),
        ("no cookie", False),
        ("=nameless", False),
        ("a=" + "x" * 5000, False),
    ],
)
def test_a_cookie_for_others_is_not_sent(line: str, is_sent: bool) -> None:
    assert sent(line) == ("a=1" if is_sent else "")


def test_a_secure_cookie_is_kept_and_sent_over_tls_only() -> None:
    cookies = Cookies({})
    cookies.take(0, ["a=1; Secure; Path=/"], SECURE)
    assert (cookies.header(0, SECURE), cookies.header(0, HERE)) == ("a=1", "")


def test_what_a_service_makes_a_client_keep_is_bounded() -> None:
    assert sent(*(f"c{i}=1" for i in range(10 * MOST))).count("=") == MOST


def test_one_header_has_all_cookies() -> None:
    headers = (("cookie", "session=ann"), ("X-Team", "blue"))
    assert with_cookies(headers, "a=1; b=2") == (("X-Team", "blue"), ("Cookie", "session=ann; a=1; b=2"))
    assert with_cookies(headers, "") == headers
