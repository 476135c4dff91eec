"""Certificates and keys that the tests make for themselves."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import json
import os
from pathlib import Path
from typing import Any, Final

import nkeys  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OPERATOR: Final = nkeys.PREFIX_BYTE_OPERATOR
ACCOUNT: Final = nkeys.PREFIX_BYTE_ACCOUNT
USER: Final = nkeys.PREFIX_BYTE_USER


class Authority:
    """A CA, and what it signed, as files of a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate: Final = directory / f"{name}.pem"
        self.certificate.write_bytes(self._signed(self._name, self._key.public_key(), [ca]))

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate, secret = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        certificate.write_bytes(self._signed(subject, key.public_key(), [here]))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, said: list[x509.ExtensionType]
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )
        for extension in said:
            builder = builder.add_extension(extension, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


class Nkey:
    """A key pair as NATS has them."""

    def __init__(self, kind: int) -> None:
        self.seed: Final = bytes(nkeys.encode_seed(os.urandom(32), kind))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: Final = self._pair.public_key.decode()

    def signed(self, subject: str, name: str, claims: dict[str, Any]) -> str:
        """A JWT about `subject`."""
        body = {"iat": 1, "iss": self.public, "name": name, "sub": subject, "nats": claims}
        body["jti"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        parts = [_encoded({"typ": "JWT", "alg": "ed25519-nkey"}), _encoded(body)]
        signature = self._pair.sign(".".join(parts).encode())
        return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def credentials_and_config() -> tuple[str, str]:
    """A credentials file's content, and the config of a server that takes it."""
    operator, system, account, user = Nkey(OPERATOR), Nkey(ACCOUNT), Nkey(ACCOUNT), Nkey(USER)
    limits = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1}
    stores = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    of_account = {"type": "account", "version": 2, "limits": {**limits, **stores, "exports": -1}}
    system_jwt = operator.signed(system.public, "SYS", {"type": "account", "version": 2})
    account_jwt = operator.signed(account.public, "account", of_account)
    operator_jwt = operator.signed(operator.public, "operator", {"type": "operator", "version": 2})
    of_user = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
    credentials = (
        "-----BEGIN NATS USER JWT-----\n"
        f"{account.signed(user.public, 'user', of_user)}\n"
        "------END NATS USER JWT------\n\n"
        "-----BEGIN USER NKEY SEED-----\n"
        f"{user.seed.decode()}\n"
        "------END USER NKEY SEED------\n"
    )
    config = (
        f"operator: {operator_jwt}\nresolver: MEMORY\n"
        f"system_account: {system.public}\n"
        f"resolver_preload: {{ {account.public}: {account_jwt}, {system.public}: {system_jwt} }}\n"
    )
    return credentials, config


def _encoded(value: object) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")
