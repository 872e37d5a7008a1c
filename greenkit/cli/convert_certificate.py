"""Convert a .p12 or .pfx file to PEM files, or check a PEM certificate.

A PKCS#12 file, as Java's keytool and Windows write it, becomes NAME.crt.pem and NAME.key.pem. The common name is
compared with the host name of this machine, as SMT does. For a PEM file the command only checks: dates, name, key type,
and whether --key belongs to it.

example:
  greenkit convert-certificate client.p12 --into keys
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from greenkit.cli._command import Exit, write_error, write_line
from greenkit.cli.make_key import add_password, ask, new_password
from greenkit.errors import CertificateError
from greenkit.secret import Secret


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE", help=".p12, .pfx, or PEM file")
    parser.add_argument("--key", metavar="FILE", help="private key of a PEM certificate, to be compared")
    parser.add_argument("--into", metavar="DIR", help="folder for the PEM files (default: that of FILE)")
    parser.add_argument("--host", metavar="NAME", help="expected common name (default: the name of this machine)")
    parser.add_argument("--file-password-env", metavar="NAME", help="environment variable with the password of FILE")
    add_password(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return an exit code."""
    from greenkit import certificates

    path, key = Path(arguments.file).expanduser(), arguments.key
    named = arguments.file_password_env
    if not certificates.is_pem(path):
        given = Secret.env(named) if named else ask(f"Password of {path.name}", "--file-password-env")
        new = new_password(arguments, "private key")
        folder = Path(arguments.into).expanduser() if arguments.into else path.parent
        pair = certificates.from_pkcs12(path, given, folder, key_password=new, unprotected=arguments.no_password)
        write_line(f"Wrote {pair.certificate} and {pair.key}.")
        path = pair.certificate
    elif key:
        certificates.check_key(path, key, Secret.env(named) if named else None)
        write_line(f"The private key {key} belongs to the certificate.")
    return _report(path, arguments.host)


def _report(path: Path, host: str | None) -> int:
    """Print what the certificate contains, and check its dates, its key type, and its name."""
    from greenkit import _net, certificates

    found = certificates.read(path)
    signed = "self-signed, for testing only" if found.self_signed else f"issued by {found.issuer}"
    write_line(f"{found.common_name}, {found.key_type}, valid until {found.ends:%Y-%m-%d}, {signed}.")
    code = Exit.DONE
    wanted = host or _net.host_name()
    checks: list[Callable[[], None]] = [
        lambda: certificates.check_dates(found),
        lambda: certificates.check_type(path),
        lambda: certificates.check_host(found, wanted),
    ]
    for check in checks:
        try:
            check()
        except CertificateError as e:
            write_error(e)
            code = Exit.FAILED
    return code
