"""Make a key pair: a client certificate, a signing request, an SSH key, or an OpenPGP key.

  certificate  private key and self-signed client certificate, for testing with SMT over FTPS
  request      private key and signing request, from which an authority makes the certificate for production
  ssh          SSH key pair, for SFTP
  pgp          OpenPGP key pair, to which SMT encrypts its files

Only the public part goes to SMT: HOST.crt.pem, KEY.pub, or the file that --public names; HOST.csr.pem goes to the
authority. Existing files are never replaced. The password is asked for, unless --password-env or --no-password is set.

example:
  greenkit make-key ssh --into keys
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenkit.cli._command import Exit, write_line
from greenkit.errors import SettingsError
from greenkit.secret import Secret


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("kind", choices=["certificate", "request", "ssh", "pgp"], help="what to make")
    parser.add_argument("--into", metavar="DIR", default=".", help="folder for the files (default: the current one)")
    parser.add_argument("--host", metavar="NAME", help="host name in the certificate (default: that of this machine)")
    parser.add_argument("--organization", metavar="NAME", default="", help="company; required for pgp")
    parser.add_argument("--email", metavar="ADDRESS", default="", help="address in the OpenPGP key")
    parser.add_argument(
        "--name", metavar="FILE", default="smt_ssh_key", help="file name of the SSH key (default: %(default)s)"
    )
    parser.add_argument("--home", metavar="DIR", help="keyring folder of the OpenPGP key (default: that of gpg)")
    parser.add_argument("--public", metavar="FILE", help="write the OpenPGP public key to this file")
    add_password(parser)


def add_password(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the password of a new private key."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--password-env", metavar="NAME", help="environment variable that contains the new password")
    group.add_argument("--no-password", action="store_true", help="make a private key without a password")


def ask(label: str, option: str) -> Secret:
    """Ask for a password, or raise SettingsError with the option to pass if there is no terminal."""
    try:
        return Secret.prompt(label)
    except SettingsError as e:
        raise SettingsError(
            e.problem, next_step=f"Pass {option} NAME, an environment variable with the password."
        ) from None


def new_password(arguments: argparse.Namespace, what: str) -> Secret | None:
    """Return the password of a new private key: from the environment, or asked for twice."""
    if arguments.no_password:
        return None
    if arguments.password_env:
        return Secret.env(arguments.password_env)
    first, second = ask(f"New password of the {what}", "--password-env"), ask("Repeat it", "--password-env")
    if first != second:
        raise SettingsError("The two passwords differ", next_step="Run the command again.")
    if not first:
        raise SettingsError("The password is empty", next_step="Type a password, or pass --no-password.")
    return first


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import _net, certificates, pgp

    folder = Path(arguments.into).expanduser()
    host = arguments.host or _net.host_name()
    if arguments.kind in ("certificate", "request"):
        make = certificates.new_certificate if arguments.kind == "certificate" else certificates.new_request
        password = new_password(arguments, "private key")
        pair = make(folder, host, password=password, organization=arguments.organization)
        to = "SMT" if arguments.kind == "certificate" else "a public certificate authority"
        write_line(f"Wrote {pair.certificate} and {pair.key}. Send the first to {to}; keep the second secret.")
    elif arguments.kind == "ssh":
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / arguments.name
        certificates.new_ssh_key(path, password=new_password(arguments, "SSH key"), comment=f"greenkit@{host}")
        write_line(f"Wrote {path}.pub and {path}. Send the first to SMT; keep the second secret.")
    else:
        if not arguments.organization:
            raise SettingsError("An OpenPGP key needs the name of its owner", next_step="Pass --organization NAME.")
        key = pgp.new_key(
            arguments.home,
            name=arguments.organization,
            email=arguments.email,
            passphrase=new_password(arguments, "OpenPGP key"),
            unprotected=arguments.no_password,
        )
        where = arguments.home or "your own keyring"
        write_line(
            f"Made the OpenPGP key {key.fingerprint} ({key.user}) in {where}, valid until {key.expires:%Y-%m-%d}."
        )
        with pgp.Keyring(arguments.home) as keyring:
            public = keyring.public_key(key.fingerprint)
        if arguments.public:
            Path(arguments.public).write_text(public, encoding="ascii")
            write_line(f"Wrote {arguments.public}. Send it to SMT.")
        else:
            write_line(public.rstrip())
    return Exit.DONE
