"""From the files of `tls` to a context for TLS connections, and to one clear error where they do not fit."""

from __future__ import annotations

import ssl
from typing import Final

import msgspec

from chaosrun.errors import UsageError
from chaosrun.spec.reading import Unreadable, read_file

_MAX_BYTES: Final = 4 << 20
"""All certificates that an operating system trusts are a tenth of it."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
"""PKCS #8 (RFC 5958), and the older form of PEM."""


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a group's clients trust, and who they are. Paths, so that no key is ever passed on."""

    ca: str | None = None
    """Certificates that are trusted in place of the system's; None: those of the system."""
    cert: str | None = None
    """The clients' own certificate, with those between it and its root."""
    key: str | None = None
    """None: in the file of the certificate."""
    verify: bool = True
    """False: any certificate of the service will do, whoever it names."""


class Unfit(UsageError):
    """A file of `tls` cannot be used; the text says why and what to do, and shows nothing of what is in it."""

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        """That names the file: ca, cert or key."""
        super().__init__(text)


def context_of(files: TlsFiles) -> ssl.SSLContext:
    """A context for the client's side of connections. Never asks a terminal for a pass phrase.

    Raises:
        Unfit: a file is not there, may not be read, is no PEM, or the key is not the certificate's.
    """
    if files.ca is not None:
        _read("ca", files.ca, _CERTIFICATE, "a certificate")
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except (ssl.SSLError, OSError) as error:
        raise Unfit("ca", f"{files.ca} is damaged: {_reason(error)}") from None
    if not files.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.cert is not None:
        _present(context, files.cert, files.key)
    return context


def _present(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Let the clients show a certificate of their own."""
    found = _read("cert", cert, _CERTIFICATE, "a certificate")
    where = "cert" if key is None else "key"
    if key is not None:
        found = _read("key", key, _KEY, "a private key")
    elif _KEY not in found:
        raise Unfit("cert", f"{cert} holds no private key; name the file that does as `key`")
    if any(mark in found for mark in _ENCRYPTED):
        text = (
            "has a pass phrase, which nobody would be there to enter; `openssl pkey -in FILE -out PLAIN` takes it off"
        )
        raise Unfit(where, f"the private key in {key or cert} {text}")
    try:
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{key or cert} does not hold the private key of the certificate in {cert}; name the pair that does"
            raise Unfit(where, text) from None
        raise Unfit(where, f"{cert} and its private key cannot be used: {_reason(error)}") from None
    except OSError as error:
        raise Unfit(where, f"cannot read {key or cert}: {error.strerror}") from None


def _read(key: str, name: str, mark: bytes, what: str) -> bytes:
    try:
        content = read_file(name, _MAX_BYTES)
    except Unreadable as error:
        raise Unfit(key, f"cannot read {name}: {error}") from None
    if mark not in content:
        raise Unfit(key, f"{name} holds no {what.partition(' ')[2]} in PEM, which has a line {_line(mark)}")
    return content


def _line(mark: bytes) -> str:
    return mark.decode() if mark is _CERTIFICATE else "-----BEGIN PRIVATE KEY-----"


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or "unknown").lower().replace("_", " ")
