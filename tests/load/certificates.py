"""Certificates of the tests, made when they are needed: a CA, a service of 127.0.0.1, and a client."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    ca: trustme.CA
    service: trustme.LeafCert
    client: trustme.LeafCert

    def server(self, *, asks: bool = False) -> ssl.SSLContext:
        """The service's side; with `asks` it lets in only who has a certificate of the CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.service.configure_cert(context)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def write(self, folder: Path) -> dict[str, str]:
        """The client's side as the keys of `tls`, each the name of a file."""
        named = {"ca": self.ca.cert_pem, "cert": self.client.cert_chain_pems[0], "key": self.client.private_key_pem}
        for name, pem in named.items():
            pem.write_to_path(folder / f"{name}.pem")
        return {name: str(folder / f"{name}.pem") for name in named}


@cache
def certificates() -> Certificates:
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    service = ca.issue_cert("127.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
    return Certificates(ca, service, ca.issue_cert("load@example.com", key_type=trustme.KeyType.ECDSA))
