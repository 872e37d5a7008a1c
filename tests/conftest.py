"""Fixtures of the tests of several folders."""

import os
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from greenkit import cli, frame
from greenkit.findings import GreenkitWarning
from greenkit.synthetic import data_samples

# the other modules of that folder are programs that are run by hand, some with packages of ring 2
collect_ignore_glob = ["soak/[!t]*.py"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Return one worker more than cores for ``-n auto``, because many tests wait for a server or a program."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def sample_path(tmp_path_factory):
    """Return the path of any sample by name, ``"espi-bare-entry"``; it is generated when it is first used."""
    folder = tmp_path_factory.mktemp("samples")
    files = {name.partition(".")[0]: name for name in data_samples.SAMPLES}

    def path(name):
        file = folder / files[name]
        if not file.exists():
            file.write_bytes(data_samples.content(files[name]))
        return file

    return path


@pytest.fixture
def commands_print_findings(monkeypatch):
    """Let a command fail that warns of findings, since it prints them itself, where the test's own loads may warn."""
    run = cli.main

    def main(argv=None):
        with warnings.catch_warnings():
            warnings.simplefilter("error", GreenkitWarning)
            return run(argv)

    monkeypatch.setattr(cli, "main", main)


@pytest.fixture(scope="session")
def closed_port():
    """Return a port that refuses connections and is held, so that no other program takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def make_series():
    """Build a tidy frame of one series from its values, laid one after another from a local start."""

    def make(
        values,
        start="2024-07-01",
        *,
        zone="America/Chicago",
        every="1h",
        meter="M1",
        flow="delivered",
        series=None,
        unit="kWh",
        quality="actual",
        **extras,
    ):
        step = pd.Timedelta(every)
        # in UTC, since a step of 24 hours is a calendar day to some versions of pandas
        first = pd.Timestamp(start, tz=zone).tz_convert("UTC")
        starts = pd.date_range(first, periods=len(values), freq=step).as_unit("us").tz_convert(zone)
        if not len(values):
            return frame.empty(zone=zone)
        columns = {
            "meter": meter, "series": series or flow, "flow": flow, "start": starts, "end": starts + step,
            "value": pd.Series(values, dtype="float64"), "unit": unit, "zone": zone, "quality": quality, **extras,
        }  # fmt: skip
        return frame.tidy(pd.DataFrame(columns))

    return make


@dataclass(frozen=True)
class Chain:
    """Files of a server whose certificate a root signed through an intermediate authority, as public ones do."""

    root: Path  # certificate of the root alone
    complete: Path  # certificates of the intermediate and the root
    leaf: Path  # the server's certificate alone, which servers send by mistake
    sent: Path  # the server's certificate and the intermediate one, which servers should send
    key: Path


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """Make a chain for ``localhost``; the server's certificate names the place of the intermediate one."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

    from greenkit import certificates

    folder, now = tmp_path_factory.mktemp("chain"), datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("Root", "Intermediate 7", "localhost")]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    root = certificates.sign(keys[0].public_key(), keys[0], subject=names[0], issuer=names[0], authority=True)
    between = certificates.sign(keys[1].public_key(), keys[0], subject=names[1], issuer=names[0], authority=True)
    made = x509.CertificateBuilder().subject_name(names[2]).issuer_name(names[1]).public_key(keys[2].public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    place = x509.UniformResourceIdentifier("http://ca.example/intermediate-7.crt")
    for extension in (
        x509.BasicConstraints(ca=False, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
        x509.SubjectKeyIdentifier.from_public_key(keys[2].public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[1].public_key()),
        x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)]),
    ):
        made = made.add_extension(extension, critical=False)
    leaf = made.sign(keys[1], hashes.SHA256())
    pair = certificates.write_pair(folder, "leaf", leaf, keys[2], None)
    files = {
        "root": [root],
        "complete": [between, root],
        "sent": [leaf, between],
    }
    for name, parts in files.items():
        (folder / f"{name}.pem").write_bytes(b"".join(map(certificates.pem, parts)))
    return Chain(
        *(folder / f"{name}.pem" for name in ("root", "complete")), pair.certificate, folder / "sent.pem", pair.key
    )
