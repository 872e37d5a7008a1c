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

from greenkit.settings.reading import default_path, parse, read
from greenkit.settings.secret_ref import KEYRING_SERVICE, SecretRef
from greenkit.settings.tables import ApiSettings, CustodianSettings, PgpSettings, Settings, SmtSettings
from greenkit.settings.template import TEMPLATE, write_template

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
