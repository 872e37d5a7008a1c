"""The settings file: one TOML file for servers and utilities, without a secret in it.

    [smt]                             Smart Meter Texas: the file server
    [smt.pgp]                         the OpenPGP key to which SMT encrypts
    [smt.api]                         the REST API
    [custodian.<name>]                a utility's Green Button Connect service

The file names where a password, passphrase, or client secret is stored. greenkit reads the secret when it needs it::

    password = {env = "SMT_PASSWORD"}        an environment variable
    password = {file = "~/.smt-password"}    the first line of a file that only you may read
    password = {keyring = "smt-password"}    the system keyring (keyring set greenkit smt-password)
    password = {prompt = true}               a prompt, the first time

greenkit refuses a secret in clear text, because people mail, commit, and show settings files. Relative paths start from
the folder of the settings file. An unknown key is an error, because a misspelled ``delete`` or ``known_hosts`` would
otherwise silently have no effect.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from greenkit import _files, _toml
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

Seconds = Annotated[float, _toml.above(0, at_most=86_400)]
"""Time to wait for one answer: more than zero, at most a day."""


_READERS: Final[Mapping[str, Callable[[str], Secret]]] = {
    "env": Secret.env,
    "file": lambda where: Secret.file(Path(where).expanduser()),
    "keyring": lambda where: Secret.keyring(KEYRING_SERVICE, where),
    "prompt": Secret.prompt,
}
_WAYS: Final = '{env = "NAME"}, {file = "PATH"}, {keyring = "NAME"}, or {prompt = true}'


class SecretRef:
    """The place where a secret is stored. :meth:`get` reads the secret, once.

    Parameters
    ----------
    kind : {"env", "file", "keyring", "prompt"}
        Kind of place.
    where : str
        Name of the environment variable, path of the file, name in the keyring, or label of the prompt.

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
        if kind not in _READERS:
            raise ValueError(f"kind is {kind!r}, but it must be one of {', '.join(_READERS)}")
        self.kind, self.where = kind, where
        self._held: Secret | None = None

    @classmethod
    def from_toml(cls, value: object, place: _toml.Place) -> SecretRef:
        """Build the reference from a TOML table such as ``{env = "NAME"}``. No error repeats the value.

        Raises
        ------
        SettingsError
            If the value is not such a table. Text could be the secret itself.
        """
        if not isinstance(value, Mapping):
            raise place.error("contains a secret in clear text", f"Remove it and write {_WAYS}.")
        kind = next(iter(value), "")
        where = value.get(kind)
        if len(value) == 1 and kind == "prompt" and where is True:
            return cls("prompt", str(place))
        if len(value) != 1 or kind not in _READERS or kind == "prompt" or not isinstance(where, str) or not where:
            raise place.error("does not name the place of the secret", f"Write {_WAYS}.")
        return cls(kind, str(_toml.resolve(where, place)) if kind == "file" else where)

    def to_toml(self) -> dict[str, object]:
        """Return the TOML table."""
        return {self.kind: True if self.kind == "prompt" else self.where}

    def get(self) -> Secret:
        """Return the secret. The first call reads it.

        Raises
        ------
        SettingsError
            If the secret is not there.
        """
        if self._held is None:
            self._held = _READERS[self.kind](self.where)
        return self._held

    @property
    def missing(self) -> bool:
        """Whether the place is known to be empty. Keyrings and prompts are not checked."""
        if self.kind == "env":
            return self.where not in os.environ
        return self.kind == "file" and not Path(self.where).expanduser().is_file()

    def __str__(self) -> str:
        return self._LABELS[self.kind].format(self.where)

    def __repr__(self) -> str:
        return f"<secret: {self}>"


@dataclass(frozen=True, kw_only=True)
class PgpSettings:
    """``[smt.pgp]``: the OpenPGP key pair whose public key Smart Meter Texas has."""

    home: Path | None = None  # the gpg home folder; gpg's default if None
    key: str | None = None  # fingerprint, if the keyring has several secret keys
    passphrase: SecretRef | None = None
    allow_unprotected: bool = False  # accept messages of old senders without integrity protection


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """``[smt.api]``: the account of the REST API."""

    environment: Literal["production", "uat"] = "production"
    url: str | None = None  # replaces the address of the environment
    user: str | None = None  # SMT requires that it equals the requester ID
    password: SecretRef | None = None
    requester: Literal["RES", "BUSINESS", "CSP", "REP"] = "CSP"
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SmtSettings:
    """``[smt]``: the file server of Smart Meter Texas, and what greenkit does with its files."""

    protocol: Literal["sftp", "ftps"] = "sftp"
    host: str = "ftp.smartmetertexas.biz"
    port: Annotated[int, _toml.between(1, 65_535)] | None = None  # 22 for SFTP, 21 for FTPS
    user: str | None = None
    password: SecretRef | None = None
    timeout: Seconds = 60.0  # for the connection with the login, and for each answer
    proxy: str | None = None  # http://HOST:PORT or http://USER@HOST:PORT; proxies of the environment are not used
    proxy_password: SecretRef | None = None
    # SFTP
    ssh_key: Path | None = None
    ssh_key_passphrase: SecretRef | None = None
    known_hosts: Path | None = None  # ~/.ssh/known_hosts if None
    host_key: str | None = None  # pinned fingerprint of the server, SHA256:…
    # FTPS
    certificate: Path | None = None  # PEM
    certificate_key: Path | None = None  # PEM; None if the file of the certificate also has the key
    certificate_key_password: SecretRef | None = None
    ca_file: Path | None = None  # CAs that sign the server's certificate; those of the system if None
    minimum_tls: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    # what to fetch, and where to store it
    folders: tuple[str, ...] = ("intervaldata",)
    into: Path | None = None
    delete: Literal["never", "decrypted", "fetched"] = "never"
    # who you are, for the API and for the form that SMT asks new users to fill in
    duns: str | None = None
    account: str | None = None
    public_addresses: tuple[str, ...] = ()
    host_name: str | None = None  # common name of the certificate; the name of this machine if None
    pgp: PgpSettings = PgpSettings()
    api: ApiSettings = ApiSettings()


class ProfileName(str):
    """The TOML type of ``utility``: a profile's name, or the path of a TOML profile relative to the settings."""

    @classmethod
    def from_toml(cls, value: object, place: _toml.Place) -> ProfileName:
        """Return the name as it is, or the path from the folder of the settings file."""
        if not isinstance(value, str) or not value:
            raise place.error(
                "must be the name of a profile or the path of a TOML file", 'Write it in quotes, as in utility = "pge".'
            )
        return cls(_toml.resolve(value, place) if value.endswith(".toml") else value)


class TokenPlace(str):
    """The TOML type of ``tokens``: ``"file"``, ``"memory"``, ``"keyring"``, or a folder relative to the settings."""

    @classmethod
    def from_toml(cls, value: object, place: _toml.Place) -> TokenPlace:
        """Return the name as it is, or the path from the folder of the settings file."""
        if not isinstance(value, str) or not value:
            raise place.error(
                'must be "file", "memory", "keyring", or a folder', 'Write it in quotes, as in tokens = "file".'
            )
        return cls(value if value in ("file", "memory", "keyring") else _toml.resolve(value, place))


@dataclass(frozen=True, kw_only=True)
class CustodianSettings:
    """``[custodian.<name>]``: your registration with a utility's Green Button Connect service."""

    utility: ProfileName | None = None  # the profile, or its file; the name of the table if None
    client_id: str | None = None
    client_secret: SecretRef | None = None
    redirect_uri: str | None = None
    registration_token: SecretRef | None = None
    certificate: Path | None = None  # PEM, for mutual TLS
    certificate_key: Path | None = None
    certificate_key_password: SecretRef | None = None
    ca_file: Path | None = None
    scope: str | None = None
    url: str | None = None  # replaces the address of the profile
    subscription: str | None = None  # ID of the customer's subscription, if the utility does not send it
    tokens: TokenPlace | None = None  # "file", "memory", "keyring", or the folder in which grants are stored
    proxy: str | None = None  # http://HOST:PORT or http://USER@HOST:PORT
    proxy_password: SecretRef | None = None
    timeout: Seconds = 60.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings: ``.smt``, and ``.custodian["pge"]`` for each utility. Create it with :func:`read`."""

    path: Path | None = field(default=None, metadata={"toml": False})
    smt: SmtSettings = SmtSettings()
    custodian: Mapping[str, CustodianSettings] = field(default_factory=dict)

    def show(self) -> str:
        """Return every setting that does not have its default, as text. Secrets appear as the place of each."""
        lines = [f"settings: {self.path or 'none, all defaults'}"]
        lines += _lines("smt", self.smt)
        for name, custodian in self.custodian.items():
            lines += _lines(f"custodian.{name}", custodian)
        return "\n".join(lines)


def _lines(name: str, table: Any) -> list[str]:
    own, below = [f"[{name}]"], []
    for f in dataclasses.fields(table):
        value = getattr(table, f.name)
        if dataclasses.is_dataclass(value):
            below += _lines(f"{name}.{f.name}", value)
        elif isinstance(value, SecretRef):
            own.append(f"{f.name}: {value}{' (missing)' if value.missing else ''}")
        elif value != f.default or f.name in ("protocol", "host", "delete"):
            own.append(f"{f.name}: {', '.join(value) if isinstance(value, tuple) else value}")
    return ([] if len(own) == 1 and "." in name else own) + below


def default_path() -> Path:
    """Return the default path of the settings file for this user on this system."""
    import platformdirs

    return Path(platformdirs.user_config_dir("greenkit", appauthor=False)) / "settings.toml"


def read(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings file.

    Parameters
    ----------
    path : path, optional
        The file. Default: :func:`default_path`.

    Returns
    -------
    Settings
        The typed settings. Secrets are not read yet, only their places.

    Raises
    ------
    SettingsError
        If there is no such file, it is not TOML, it has a newer schema, it contains an unknown key or a secret in clear
        text, or a value has the wrong type.
    """
    path = Path(path) if path is not None else default_path()
    name = f"the settings file {path}"
    try:
        exists = path.expanduser().exists()
    except (RuntimeError, OSError, ValueError):  # RuntimeError: ~nobody. The parser reports it.
        exists = True
    if not exists:
        raise SettingsError(
            f"There is no settings file {path}", next_step="Run greenkit doctor smt --new to create one."
        )
    return parse(_toml.parse(path, name=name[0].upper() + name[1:]), path=path.expanduser().absolute())


def parse(tables: Mapping[str, Any], *, path: Path | None = None) -> Settings:
    """Convert parsed TOML into :class:`Settings`.

    Parameters
    ----------
    tables : mapping
        Tables, as from ``tomllib.loads``.
    path : Path, optional
        The file: its name appears in errors, and relative paths start from its folder.

    Returns
    -------
    Settings
        The typed settings.

    Raises
    ------
    SettingsError
        As for :func:`read`.

    Examples
    --------
    >>> parse({"smt": {"user": "rep1", "password": {"env": "SMT_PASSWORD"}}}).smt.user
    'rep1'
    >>> parse({"smt": {"known_host": "x"}})
    Traceback (most recent call last):
    greenkit.errors.SettingsError: [smt] known_host is not a known key. Did you mean known_hosts?
    """
    try:
        found = _toml.convert(tables, Settings, name=str(path or ""), folder=path.parent if path else None)
    except SettingsError as e:
        fault = e.with_traceback(None)
        fault.__cause__ = fault.__context__ = None
    else:
        return dataclasses.replace(found, path=path)
    # raised without the frames that hold the values, among which may be a secret in clear text
    tables = {}
    raise fault


def write_template(path: str | os.PathLike[str] | None = None) -> Path:
    """Write the template of a settings file, readable only by its owner. An existing file is never replaced.

    Parameters
    ----------
    path : path, optional
        The new file. Default: :func:`default_path`.

    Returns
    -------
    Path
        The new file.

    Raises
    ------
    SettingsError
        If the file exists.
    NotWritten
        If the disk is full, or the folder is not writable.
    """
    path = Path(path).expanduser() if path is not None else default_path()
    with _files.writing(path):
        _files.private_folder(path.parent)
        try:
            _files.create_private(path, TEMPLATE.encode())
        except FileExistsError:
            raise SettingsError(
                f"The settings file {path} already exists", next_step="Edit it, or pass another path."
            ) from None
    return path


TEMPLATE: Final = """\
# greenkit settings. This file contains no secrets: it names the place of each, one of
#   {env = "NAME"}   {file = "PATH"}   {keyring = "NAME"}   {prompt = true}
schema = 1

[smt]
# Smart Meter Texas moved its files from FTPS to SFTP on September 13, 2025.
protocol = "sftp"
host = "ftp.smartmetertexas.biz"
# user = "..."                          # from SMT
password = {prompt = true}              # or an SSH key instead:
# ssh_key = "smt_ssh_key"
# ssh_key_passphrase = {prompt = true}

# greenkit sends nothing to an unknown server: name a known_hosts file with its key, or the fingerprint from SMT.
# known_hosts = "known_hosts"
# host_key = "SHA256:..."

# For protocol = "ftps": the client certificate whose common name is the host name of this machine.
# certificate = "client.pem"
# certificate_key = "client-key.pem"
# certificate_key_password = {prompt = true}

folders = ["intervaldata", "adhocusage"]
into = "smt-files"                      # relative paths start from the folder of this file

# Which files greenkit deletes on the server. "decrypted" is recommended: greenkit deletes a file after its copy is
# complete, safe on disk, and decrypted. SMT asks for this, it keeps the listing short, and only decryption proves that
# the file was complete when it was fetched. "fetched" trusts the transfer alone. "never" leaves it to SMT, which
# deletes every file after 10 days.
delete = "decrypted"

# What SMT asks new users for (greenkit doctor smt --onboarding FOLDER writes the page).
# duns = "000000000"
# account = "YOUR COMPANY"
# public_addresses = ["203.0.113.5"]

[smt.pgp]
# home = "gnupg"                        # the gpg home folder; gpg's default if absent
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
