"""``greenkit demo``: the full workflow on this machine, from a simulated utility to charts, in half a minute."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from greenkit import _files, frame, load_smt, pgp, write_report
from greenkit.findings import counted, quiet

if TYPE_CHECKING:
    from greenkit.sandbox import Utility

START, END = date(2024, 10, 28), date(2024, 11, 11)
ZONE: Final = "America/Chicago"
WriteLine = Callable[[str], object]
_GPG: Final = (
    "gpg is not installed, so the demo skips the encrypted files of Smart Meter Texas. To include them, install gpg "
    "(apt-get install gnupg, brew install gnupg, or gpg4win) and run the demo again."
)


def run(folder: _files.StrPath = "greenkit-demo", *, write_line: WriteLine = print) -> Path:
    """Authorize, fetch, decrypt, load, check, and chart data of the sandbox, and print each step.

    Parameters
    ----------
    folder : path
        Folder for the fetched files and the report. It is created, or used again.
    write_line : callable
        Takes each line of output. Default: print.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    BusyError
        If another demo runs in the same folder.
    SettingsError
        If a package of the sandbox is not installed.
    """
    from greenkit import sandbox

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with _files.locked(folder / ".lock", timeout=0.0), sandbox.start() as utility:
        write_line(f"A simulated utility is running on this machine: {len(utility.meters)} meters, three servers.")
        usage = _green_button(utility, write_line)
        frames = [usage]
        if shutil.which("gpg"):
            frames.append(_smart_meter_texas(utility, folder, write_line))
        else:
            write_line(_GPG)
        _compare(utility, frames, write_line)
        page = write_report(usage, folder / "report.html", title="Two weeks at a simulated utility")
    write_line(f"Report: {page.absolute()} ({time.monotonic() - began:.0f} s in total)")
    return page


def _green_button(utility: Utility, write_line: WriteLine) -> pd.DataFrame:
    from greenkit.sandbox.visitor import visit

    with utility.custodian.connect() as client, quiet():
        flow = client.authorize("paste")
        flow.finish(visit(flow.url))
        write_line("Green Button Connect: Ada signed in and approved access (OAuth 2.0 with PKCE over mutual TLS).")
        usage = client.usage(pd.Timestamp(START, tz=ZONE), pd.Timestamp(END, tz=ZONE))
        points = len(client.usage_points())
    write_line(f"  fetched {len(usage):,} readings of {points} usage points")
    for row in frame.summary(usage).itertuples():
        write_line(f"  {row.meter}  {row.flow:<9} {row.total:9,.1f} {row.unit}, {row.complete:.1%} complete")
    return usage


def _smart_meter_texas(utility: Utility, folder: Path, write_line: WriteLine) -> pd.DataFrame:
    from greenkit.transfer._pull import fetch_smt

    home = folder / "gnupg"
    shutil.rmtree(home, ignore_errors=True)  # a key of the sandbox, new in each run
    # it exists for seconds and protects nothing; your key needs a passphrase
    key = pgp.new_key(home, name="Demo customer", passphrase=None, unprotected=True)
    frames = []
    with pgp.Keyring(home) as own, pgp.Keyring.temporary() as theirs, quiet():
        utility.register_key(own.public_key(key.fingerprint), theirs, days=(END - START).days)
        utility.ask(START, END)
        for server, remote_folder in ((utility.ftps, "adhocusage"), (utility.sftp, "intervaldata")):
            into = folder / remote_folder
            shutil.rmtree(into, ignore_errors=True)
            with server.remote() as remote:
                report = fetch_smt(remote, remote_folder, into=into, pgp=own, delete="decrypted")
            name = server.endpoint.protocol.upper()
            files = counted(len(report.files), "encrypted file")
            write_line(f"Smart Meter Texas, {name}: {files} from {remote_folder}/, each complete")
            loaded = load_smt(into)
            write_line(f"  decrypted and loaded {len(loaded):,} readings of {loaded['meter'].nunique()} ESI IDs")
            frames.append(loaded)
    shutil.rmtree(home, ignore_errors=True)
    csv, lse = frames
    same = len(csv) == len(lse) and bool((csv["value"].to_numpy() == lse["value"].to_numpy()).all())
    write_line(
        f"  the CSV from FTPS and the LSE from SFTP have {'the same readings' if same else 'DIFFERENT READINGS'}"
    )
    return lse


def _compare(utility: Utility, frames: list[pd.DataFrame], write_line: WriteLine) -> None:
    truth = utility.truth(START.isoformat(), END.isoformat())
    keys = ["meter", "flow"]
    real = truth.groupby(keys, observed=True)["value"].sum()
    for name, df in zip(("Green Button", "Smart Meter Texas"), frames, strict=False):
        got = df.groupby(keys, observed=True)["value"].sum()
        worst = float((got - real.reindex(got.index)).abs().max())
        local = df["start"].dt.tz_convert(ZONE).dt.date
        quarters = int((local == date(2024, 11, 3)).sum() / df.groupby(keys, observed=True).ngroups)
        write_line(f"{name}: within {worst:.3f} kWh of the true values; {quarters} quarter-hours on November 3")
