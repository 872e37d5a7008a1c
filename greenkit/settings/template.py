"""The settings file of a new user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from greenkit import _files
from greenkit.errors import SettingsError
from greenkit.settings.reading import default_path


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
