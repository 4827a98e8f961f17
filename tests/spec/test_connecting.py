"""How clients connect: files of TLS that fit, cookies, a proxy, and the addresses that they connect from."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.connecting import expand
from chaosrun.spec.plan import make_plan
from chaosrun.spec.tls import TlsFiles, Unfit, context_of

CA = trustme.CA(key_type=trustme.KeyType.ECDSA)
ANN, BEN = (CA.issue_cert(name, key_type=trustme.KeyType.ECDSA) for name in ("ann@example.com", "ben@example.com"))
OF_SECURE = """
title: t
steady_state: {load: {users: {protocol: mt5, clients: 3, %s}}}
target: {url: "wss://127.0.0.1:9/ws"%s}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with certificates and keys, good and bad."""
    pem = tmp_path / "pem"
    pem.mkdir()
    CA.cert_pem.write_to_path(pem / "ca.pem")
    for name, cert in (("ann", ANN), ("ben", BEN)):
        cert.cert_chain_pems[0].write_to_path(pem / f"{name}.pem")
        cert.private_key_pem.write_to_path(pem / f"{name}.key")
        cert.private_key_and_cert_chain_pem.write_to_path(pem / f"{name}-both.pem")
    key = load_pem_private_key(ANN.private_key_pem.bytes(), None)
    for name, form in (("locked", PrivateFormat.PKCS8), ("locked-1", PrivateFormat.TraditionalOpenSSL)):
        locked = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"hunter2"))
        (pem / f"{name}.key").write_bytes(locked)
    (pem / "der.pem").write_bytes(ssl.PEM_cert_to_DER_cert(CA.cert_pem.bytes().decode()))
    (pem / "cut.pem").write_bytes(CA.cert_pem.bytes()[:200])
    return pem


def test_a_context_trusts_what_it_is_told_to_and_nothing_else(files: Path) -> None:
    own = context_of(TlsFiles(ca=str(files / "ca.pem")))
    assert own.check_hostname
    assert own.verify_mode is ssl.CERT_REQUIRED
    assert [cert["serialNumber"] for cert in own.get_ca_certs()] == [_serial(files / "ca.pem")]
    nobody = context_of(TlsFiles(verify=False))
    assert (nobody.check_hostname, nobody.verify_mode) == (False, ssl.CERT_NONE)


def _serial(cert: Path) -> str:
    return str(ssl._ssl._test_decode_cert(str(cert))["serialNumber"])  # type: ignore[attr-defined]  # as ssl's own tests


@pytest.mark.parametrize(("cert", "key"), [("ann.pem", "ann.key"), ("ann-both.pem", None)])
def test_a_certificate_comes_with_its_key_beside_it_or_in_it(files: Path, cert: str, key: str | None) -> None:
    context_of(TlsFiles(cert=str(files / cert), key=key and str(files / key)))


@pytest.mark.parametrize(
    ("named", "key", "told"),
    [
        ({"ca": "gone.pem"}, "ca", "there is no such file"),
        ({"ca": "."}, "ca", "it is a folder"),
        ({"ca": "ann.key"}, "ca", "holds no certificate in PEM"),
        ({"ca": "der.pem"}, "ca", "-----BEGIN CERTIFICATE-----"),
        ({"ca": "cut.pem"}, "ca", "is damaged"),
        ({"cert": "ann.pem"}, "cert", "holds no private key; name the file that does as `key`"),
        ({"cert": "ann.key", "key": "ann.key"}, "cert", "holds no certificate"),
        ({"cert": "ann.pem", "key": "ann.pem"}, "key", "holds no private key in PEM"),
        ({"cert": "ann.pem", "key": "ben.key"}, "key", "ben.key does not hold the private key of the certificate in"),
        ({"cert": "ann.pem", "key": "locked.key"}, "key", "has a pass phrase"),
        ({"cert": "ann.pem", "key": "locked-1.key"}, "key", "has a pass phrase"),
    ],
)
def test_files_that_do_not_fit_are_told_by_name_and_with_the_remedy(
    files: Path, named: dict[str, str], key: str, told: str
) -> None:
    with pytest.raises(Unfit) as caught:
        context_of(TlsFiles(**{each: str(files / name) for each, name in named.items()}))
    assert caught.value.key == key
    assert told in str(caught.value)
    assert "PRIVATE KEY-----\nM" not in str(caught.value)


def test_all_files_of_a_group_are_looked_at_beside_the_file_that_names_them(problems, files: Path) -> None:
    of_group = "tls: {ca: gone.pem, cert: ann.pem, key: ben.key}"
    steady = f"load: {{users: {{protocol: mt5, clients: 3, {of_group}}}}}"
    found = problems(
        base='title: t\nsteady_state: pem/steady.yaml\ntarget: {url: "wss://127.0.0.1:9/"}\n',
        files={"pem/steady.yaml": steady},
    )
    assert [each.split(": ", 2)[1] for each in found] == [
        "steady_state.load.users.tls.ca",
        "steady_state.load.users.tls.key",
    ]
    assert "pem/gone.pem: there is no such file" in found[0]
    assert "pem/ben.key does not hold" in found[1]


def test_where_certificates_lie_is_told_and_changes_no_fingerprint_but_not_to_verify_does(load, files: Path) -> None:
    def of(text: str):
        loaded = load(base=OF_SECURE % (text, ""))
        return conditions_of(loaded, make_plan(loaded), {})

    here = of("tls: {ca: pem/ca.pem}")
    (files / "other").mkdir()
    CA.cert_pem.write_to_path(files / "other" / "ca.pem")
    there = of("tls: {ca: pem/other/ca.pem}")
    assert here.noted["steady_state.load.users.tls.ca"] == "pem/ca.pem"
    assert here.fingerprint() == there.fingerprint() != of("tls: {verify: false}").fingerprint()


def test_a_proxy_counts_as_a_machine_that_is_reached(load, problems) -> None:
    way = 'http_proxy: "http://10.9.8.7:3128"'
    (found,) = problems(base=OF_SECURE % (way, ""))
    assert "steady_state.load.users.http_proxy: 10.9.8.7 is not loopback" in found
    assert "`allow: [10.9.8.7]`" in found
    assert problems(base=OF_SECURE % (way, ", allow: [10.9.8.7]")) == ()


def test_a_secret_may_be_a_proxys_password_and_a_cookie(load) -> None:
    text = 'http_proxy: "http://joe:${secret.pw}@127.0.0.1:3128", cookies: {session: "${secret.pw}"}'
    loaded = load("secrets: {pw: {env: PW}}\n", base=OF_SECURE % (text, ""), env={"PW": "hunter2hunter2"})
    group = loaded.experiment.steady_state.load["users"]
    assert group.http_proxy.reveal() == "http://joe:hunter2hunter2@127.0.0.1:3128"
    assert group.cookies["session"].reveal() == "hunter2hunter2"
    assert "hunter2" not in str(conditions_of(loaded, make_plan(loaded), {}))


@pytest.mark.parametrize(
    ("written", "first", "last", "count"),
    [
        (["127.0.0.9", "127.0.0.2"], "127.0.0.9", "127.0.0.2", 2),
        (["127.0.0.0/24"], "127.0.0.1", "127.0.0.254", 254),
        (["127.0.1.254-127.0.2.1"], "127.0.1.254", "127.0.2.1", 4),
        (["127.0.0.5/32"], "127.0.0.5", "127.0.0.5", 1),
        (["127.1.0.0/16"], "127.1.0.1", "127.1.255.254", 65_534),
        (["fd00::1-fd00::3"], "fd00::1", "fd00::3", 3),
    ],
)
def test_source_addresses_may_be_single_a_network_or_a_range(
    written: list[str], first: str, last: str, count: int
) -> None:
    found = expand(written)
    assert (found[0], found[-1], len(found)) == (first, last, count)


@pytest.mark.parametrize(
    "written", [["127.0.0.0-127.255.0.0"], ["::/64"], ["127.0.0.0/16", "127.1.0.1"], ["224.0.0.1"]]
)
def test_more_addresses_than_a_group_may_have_are_refused_before_they_are_counted_out(written: list[str]) -> None:
    with pytest.raises(ValueError, match=r"at most|more than|no address that"):
        expand(written)


def test_what_is_dumped_reads_back_as_written(load) -> None:
    text = 'tls: {verify: false}, cookies: {a: "1"}, source_addresses: 127.0.0.0/24, read: 10/s, http_proxy: "http://[::1]:1"'
    group = load(base=OF_SECURE % (text, "")).experiment.steady_state.load["users"]
    dumped = group.model_dump(mode="json", exclude_unset=True)
    assert type(group).model_validate(dumped) == group
    assert len(group.sources()) == 254
