"""One TOML file for servers and custodians, without a secret in it.

    [smt]                             Smart Meter Texas: the file server
    [smt.pgp]                         the OpenPGP key that SMT encrypts to
    [smt.api]                         the REST API
    [custodian.<name>]                a utility's Green Button Connect service

A password, passphrase or client secret is named by where it is kept, and read only when it is needed::

    password = {env = "SMT_PASSWORD"}        an environment variable
    password = {file = "~/.smt-password"}    the first line of a file that only you may read
    password = {keyring = "smt-password"}    the system's keyring (keyring set greenkit smt-password)
    password = {prompt = true}               asked for, once

Clear text in its place is refused: settings files are mailed, committed and shown on screens. Relative paths
start from the folder of the settings file. A key that is not known is an error, since a misspelt ``delete`` or
``known_hosts`` would otherwise be silently without effect.
"""

from __future__ import annotations

import dataclasses
import difflib
import getpass
import os
import tomllib
import types
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from greenkit import _files
from greenkit.errors import SettingsError
from greenkit.secret import Secret

__all__ = [
    "KEYRING_SERVICE",
    "TEMPLATE",
    "ApiSettings",
    "CustodianSettings",
    "PgpSettings",
    "SecretRef",
    "Settings",
    "SmtSettings",
    "default_path",
    "parse",
    "read",
    "write_template",
]

KEYRING_SERVICE: Final = "greenkit"


def _ask(label: str) -> Secret:
    try:
        with warnings.catch_warnings():
            # without a terminal it would be read in clear, or from whatever the program is fed
            warnings.simplefilter("error", getpass.GetPassWarning)
            return Secret.prompt(label)
    except (EOFError, getpass.GetPassWarning):
        raise SettingsError(
            f'{label} is asked for, but nobody is here to answer: keep it as {{env = "NAME"}} or {{keyring = "NAME"}}'
        ) from None


KINDS: Final[Mapping[str, Callable[[str], Secret]]] = {
    "env": Secret.env,
    "file": lambda where: Secret.file(Path(where).expanduser()),
    "keyring": lambda where: Secret.keyring(KEYRING_SERVICE, where),
    "prompt": _ask,
}


class SecretRef:
    """Where a secret is kept; :meth:`get` reads it, once.

    Parameters
    ----------
    kind : {"env", "file", "keyring", "prompt"}
        Sort of place.
    where : str
        Name of the variable, path of the file, name in the keyring, or what the prompt asks for.

    Examples
    --------
    >>> SecretRef("env", "SMT_PASSWORD")
    <secret: environment variable SMT_PASSWORD>
    """

    _LABELS: Final[Mapping[str, str]] = {
        "env": "environment variable {}",
        "file": "file {}",
        "keyring": f"keyring, {KEYRING_SERVICE} {{}}",
        "prompt": "asked for when needed",
    }

    def __init__(self, kind: str, where: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"a secret is kept in one of {', '.join(KINDS)}, not in {kind!r}")
        self.kind, self.where = kind, where
        self._held: Secret | None = None

    def get(self) -> Secret:
        """Read the secret; SettingsError when it is not there."""
        if self._held is None:
            self._held = KINDS[self.kind](self.where)
        return self._held

    @property
    def missing(self) -> bool:
        """The place is known to be empty; the keyring and the prompt are not asked."""
        if self.kind == "env":
            return self.where not in os.environ
        return self.kind == "file" and not Path(self.where).expanduser().is_file()

    def __str__(self) -> str:
        return self._LABELS[self.kind].format(self.where)

    def __repr__(self) -> str:
        return f"<secret: {self}>"


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


_LONGEST: Final = 86_400.0  # seconds to wait for one answer
_LAST_PORT: Final = 65_535


def default_path() -> Path:
    """Give the settings file's usual place for this user on this system."""
    import platformdirs

    return Path(platformdirs.user_config_dir("greenkit", appauthor=False)) / "settings.toml"


def read(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings file.

    Parameters
    ----------
    path : path, optional
        The file; the usual place (:func:`default_path`) when absent.

    Returns
    -------
    Settings
        Typed; secrets are not read yet, only where they are kept.

    Raises
    ------
    SettingsError
        No such file, no TOML, an unknown key (with the nearest known one), a value of the wrong type, or a
        secret in clear text.
    """
    path = Path(path).expanduser() if path is not None else default_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(
            f"there is no settings file {path}: make one with python -m greenkit doctor smt --new"
        ) from None
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"the settings file {path} cannot be read: {type(e).__name__}") from None
    except tomllib.TOMLDecodeError as e:
        raise SettingsError(f"the settings file {path} is not TOML: {_place(e)}") from None
    return parse(tables, path=path.absolute())


def parse(tables: Mapping[str, Any], *, path: Path | None = None) -> Settings:
    """Check tables, as ``tomllib`` gives them, and make :class:`Settings` of them.

    Examples
    --------
    >>> parse({"smt": {"user": "rep1", "password": {"env": "SMT_PASSWORD"}}}).smt.user
    'rep1'
    >>> parse({"smt": {"known_host": "x"}})
    Traceback (most recent call last):
    greenkit.errors.SettingsError: [smt] known_host is no setting: did you mean known_hosts?
    """
    place = f"{path}: " if path else ""
    folder = path.parent if path else Path()
    for key in tables:
        if key not in ("smt", "custodian"):
            raise SettingsError(f"{place}[{key}] is no table: {_hint(key, ['smt', 'custodian'])}")
    custodians = _table(tables.get("custodian", {}), f"{place}[custodian]")
    return Settings(
        path=path,
        smt=_build(SmtSettings, tables.get("smt", {}), f"{place}[smt]", folder),
        custodian={
            name: _build(CustodianSettings, table, f"{place}[custodian.{name}]", folder)
            for name, table in custodians.items()
        },
    )


def _build(kind: Any, table: object, where: str, folder: Path) -> Any:
    hints = typing.get_type_hints(kind)
    one_of = {f.name: f.metadata["one_of"] for f in dataclasses.fields(kind) if "one_of" in f.metadata}
    values = {}
    for key, value in _table(table, where).items():
        if key not in hints:
            raise SettingsError(f"{where} {key} is no setting: {_hint(key, list(hints))}")
        values[key] = _value(hints[key], value, f"{where} {key}", folder)
        if value not in one_of.get(key, (value,)):
            raise SettingsError(f"{where} {key} is {value!r}: write one of {', '.join(one_of[key])}")
    return kind(**values)


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} is a single value: write it as a table")
    return value


def _value(hint: Any, value: Any, where: str, folder: Path) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
    if hint is SecretRef:
        return _secret(value, where, folder)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, f"{where.rpartition(' ')[0][:-1]}.{where.rpartition(' ')[2]}]", folder)
    if typing.get_origin(hint) is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if hint is Path and isinstance(value, str) and value:
        return folder / Path(value).expanduser()
    if hint is float and type(value) in (int, float) and 0 < value <= _LONGEST:
        return float(value)
    if hint is int and type(value) is int and 0 < value <= _LAST_PORT:
        return value
    if hint in (str, bool) and type(value) is hint:
        return value
    raise SettingsError(f"{where} is {_kind(value)}: write {_WANTED.get(hint, 'a list of texts')}")


_WANTED: Final[Mapping[Any, str]] = {
    str: "a text in quotes",
    int: "a whole number from 1 to 65535",
    float: "a number above 0, of seconds in a day at most",
    bool: "true or false",
    Path: "a path in quotes",
}
_WAYS: Final = '{env = "NAME"}, {file = "PATH"}, {keyring = "NAME"} or {prompt = true}'


def _secret(value: object, where: str, folder: Path) -> SecretRef:
    """Never repeat the value in an error: it may be the secret itself."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where} holds a secret in clear text: take it out and write {_WAYS}")
    kind = next(iter(value), "")
    if len(value) != 1 or kind not in KINDS:
        raise SettingsError(f"{where} does not say where the secret is kept: write {_WAYS}")
    kept = value[kind]
    if kind == "prompt" and kept is True:
        return SecretRef("prompt", where)
    if kind == "prompt" or not isinstance(kept, str) or not kept:
        raise SettingsError(f"{where} does not say where the secret is kept: write {_WAYS}")
    return SecretRef(kind, str(folder / Path(kept).expanduser()) if kind == "file" else kept)


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


def _hint(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _place(e: tomllib.TOMLDecodeError) -> str:
    """Give tomllib's reason; it holds a place and at most one character of the file, never a value."""
    text = str(e)
    return text if len(text) < 100 else "see its syntax"


def write_template(path: str | os.PathLike[str] | None = None) -> Path:
    """Write the template for a new user, readable by its owner only; an existing file is never replaced.

    Raises
    ------
    SettingsError
        There is a file already.
    """
    path = Path(path).expanduser() if path is not None else default_path()
    _files.private_folder(path.parent)
    try:
        _files.create_private(path, TEMPLATE.encode())
    except FileExistsError:
        raise SettingsError(f"there is a settings file {path} already: edit it, or name another") from None
    return path


TEMPLATE: Final = """\
# greenkit settings. No secret stands in this file: each is named by where it is kept, one of
#   {env = "NAME"}   {file = "PATH"}   {keyring = "NAME"}   {prompt = true}

[smt]
# Smart Meter Texas moved its files from FTPS to SFTP on 13 September 2025.
protocol = "sftp"
host = "ftp.smartmetertexas.biz"
# user = "..."                          # from SMT
password = {prompt = true}              # or, in its place, an SSH key:
# ssh_key = "smt_ssh_key"
# ssh_key_passphrase = {prompt = true}

# The server must be known before anything is sent to it: its line in known_hosts, or its fingerprint from SMT.
# known_hosts = "known_hosts"
# host_key = "SHA256:..."

# For protocol = "ftps": the client certificate whose common name is this machine's host name.
# certificate = "client.pem"
# certificate_key = "client-key.pem"
# certificate_key_password = {prompt = true}

folders = ["intervaldata", "adhocusage"]
into = "smt-files"                      # beside this file, as every path without a root

# What is deleted on the server. "decrypted": a file goes once its copy is whole, safe on disk and has been
# decrypted. This is recommended: SMT asks for it, it keeps the listing short, and only a decryption proves that a
# file was complete when it was fetched. "fetched" trusts the transfer alone; "never" leaves it to SMT, which
# deletes everything after 10 days.
delete = "decrypted"

# What SMT asks of a newcomer (python -m greenkit doctor smt --onboarding FOLDER writes the page).
# duns = "000000000"
# account = "YOUR COMPANY"
# public_addresses = ["203.0.113.5"]

[smt.pgp]
# home = "gnupg"                        # the gpg home folder; your own when absent
# key = "FINGERPRINT"
passphrase = {prompt = true}

# [smt.api]
# environment = "uat"
# user = "YOUR-REQUESTER-ID"
# password = {prompt = true}

# [custodian.pge]
# client_id = "YOUR-CLIENT-ID"
# client_secret = {prompt = true}
# redirect_uri = "https://example.com/callback"
# certificate = "client.pem"
# certificate_key = "client-key.pem"
"""
