"""The tables of the settings file: each name, its type, its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenkit.settings.secret_ref import SecretRef


@dataclass(frozen=True, kw_only=True)
class PgpSettings:
    """``[smt.pgp]``: the OpenPGP key pair whose public half Smart Meter Texas holds."""

    home: Path | None = None  # the gpg home folder; the user's own when absent
    key: str | None = None  # fingerprint, where the keyring holds several secret keys
    passphrase: SecretRef | None = None
    allow_unprotected: bool = False  # accept messages of old senders that carry no integrity check


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """``[smt.api]``: the account of the REST API."""

    environment: str = field(default="production", metadata={"one_of": ("production", "uat")})
    url: str | None = None  # in place of the environment's own address
    user: str | None = None  # SMT demands that it equals the requester id
    password: SecretRef | None = None
    requester: str = field(default="CSP", metadata={"one_of": ("RES", "BUSINESS", "CSP", "REP")})
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SmtSettings:
    """``[smt]``: the file server of Smart Meter Texas, and what is done with its files."""

    protocol: str = field(default="sftp", metadata={"one_of": ("sftp", "ftps")})
    host: str = "ftp.smartmetertexas.biz"
    port: int | None = None  # 22 for SFTP, 21 for FTPS
    user: str | None = None
    password: SecretRef | None = None
    timeout: float = 60.0  # seconds, for the connection and for each answer
    # SFTP
    ssh_key: Path | None = None
    ssh_key_passphrase: SecretRef | None = None
    known_hosts: Path | None = None  # the user's own ~/.ssh/known_hosts when absent
    host_key: str | None = None  # the server's pinned fingerprint, SHA256:…
    # FTPS
    certificate: Path | None = None  # PEM
    certificate_key: Path | None = None  # PEM; absent when the certificate's file holds it too
    certificate_key_password: SecretRef | None = None
    ca_file: Path | None = None  # authorities that sign the server's certificate; the system's when absent
    minimum_tls: str = field(default="1.2", metadata={"one_of": ("1.0", "1.1", "1.2", "1.3")})
    # what to fetch, to where
    folders: tuple[str, ...] = ("intervaldata",)
    into: Path | None = None
    delete: str = field(default="never", metadata={"one_of": ("never", "decrypted", "fetched")})
    # who you are, for the API and for the page that SMT asks of a newcomer
    duns: str | None = None
    account: str | None = None
    public_addresses: tuple[str, ...] = ()
    host_name: str | None = None  # the certificate's common name; this machine's own when absent
    pgp: PgpSettings = PgpSettings()
    api: ApiSettings = ApiSettings()


@dataclass(frozen=True, kw_only=True)
class CustodianSettings:
    """``[custodian.<name>]``: your registration at a utility's Green Button Connect service."""

    utility: str | None = None  # the profile; the table's name when absent
    client_id: str | None = None
    client_secret: SecretRef | None = None
    redirect_uri: str | None = None
    registration_token: SecretRef | None = None
    certificate: Path | None = None  # PEM, for mutual TLS
    certificate_key: Path | None = None
    certificate_key_password: SecretRef | None = None
    ca_file: Path | None = None
    scope: str | None = None
    url: str | None = None  # in place of the profile's own address
    tokens: Path | None = None  # where granted tokens are kept, private
    timeout: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What :func:`read` gives: ``.smt``, and ``.custodian["pge"]`` for each utility."""

    path: Path | None = None
    smt: SmtSettings = SmtSettings()
    custodian: Mapping[str, CustodianSettings] = field(default_factory=dict)

    def show(self) -> str:
        """Lay out every setting that is not its default, as text without secrets: of those, only where they are."""
        lines = [f"settings: {self.path or 'none, all defaults'}"]
        lines += _lines("smt", self.smt)
        for name, one in self.custodian.items():
            lines += _lines(f"custodian.{name}", one)
        return "\n".join(lines)


def _lines(name: str, table: Any) -> list[str]:
    own, below = [f"[{name}]"], []
    for f in dataclasses.fields(table):
        value = getattr(table, f.name)
        if dataclasses.is_dataclass(value):
            below += _lines(f"{name}.{f.name}", value)
        elif isinstance(value, SecretRef):
            own.append(f"{f.name}: {value}{' (NOT THERE)' if value.missing else ''}")
        elif value != f.default or f.name in ("protocol", "host", "delete"):
            own.append(f"{f.name}: {', '.join(value) if isinstance(value, tuple) else value}")
    return ([] if len(own) == 1 and "." in name else own) + below
