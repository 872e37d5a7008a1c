"""The simulated utility: all servers of the sandbox, with the same meters behind them.

A Green Button Connect service (:mod:`greenkit.sandbox.custodian`) serves the meters. The file servers of Smart Meter
Texas (:mod:`greenkit.sandbox.files`) have one file for each day, in a ZIP archive and encrypted with OpenPGP.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit import _files, _toml, pgp, synthetic
from greenkit.certificates import Pair
from greenkit.custodian import profiles
from greenkit.errors import NoGpgProgram, SettingsError
from greenkit.pgp import Keyring
from greenkit.sandbox import custodian
from greenkit.sandbox._custodian_register import Customer
from greenkit.sandbox._serving import until_exit
from greenkit.sandbox.authority import Authority
from greenkit.sandbox.files import FtpsServer, SftpServer
from greenkit.synthetic._smt_csv import IntervalCsv
from greenkit.synthetic.smt_names import csv_name, lse_name, pack

if TYPE_CHECKING:
    import pandas as pd

ZONE: Final = "America/Chicago"
KEPT: Final = 10
"""Days after which the server deletes a file, as Smart Meter Texas does."""
TODAY: Final = date(2024, 11, 11)
"""Simulated date on which the sandbox starts. The fall-back day is in the week before."""


def people() -> tuple[Customer, ...]:
    """Return the customers: Ada with a home with solar panels and a shop, and Grace with a home, all in Texas."""
    home = synthetic.household(1, zone=ZONE, solar=5.0, tdsp="oncor", faults=())
    shop = synthetic.shop(2, zone=ZONE, tdsp="oncor", faults=())
    other = synthetic.household(3, zone=ZONE, tdsp="centerpoint", faults=())
    word = custodian.PASSWORD
    return Customer(1, "Ada", word, (home, shop)), Customer(2, "Grace", word, (other,))


@dataclass
class Utility:
    """A running simulated utility. Create it with :func:`start`.

    Attributes
    ----------
    custodian : greenkit.sandbox.custodian.Custodian
        The Green Button Connect service; ``custodian.connect()`` returns a registered client.
    ftps, sftp : FtpsServer, SftpServer
        The file servers, with the same folder; ``ftps.remote()`` returns a remote that logs in.
    meters : tuple of Meter
        Meters behind all servers.
    today : date
        Simulated date; the newest file has the day before.
    """

    custodian: custodian.Custodian
    ftps: FtpsServer
    sftp: SftpServer
    meters: tuple[synthetic.Meter, ...]
    today: date = TODAY
    _recipient: tuple[Keyring, str] | None = None
    _posted: list[tuple[date, Path]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def truth(self, start: Any, end: Any) -> pd.DataFrame:
        """Return the true values of the meters of all customers as a tidy frame.

        ``end`` is exclusive, and dates are local days of the meters, as in ``custodian.connect().usage``.
        """
        return synthetic.fleet_frame(list(self.meters), start, end)

    def register_key(self, public_key: str | bytes, keyring: Keyring, *, days: int = 7) -> None:
        """Register the public OpenPGP key of a customer, as SMT does with keys from e-mail, and post the last days.

        Parameters
        ----------
        public_key : str or bytes
            The ASCII-armored key.
        keyring : Keyring
            Keyring of the utility, to which the key is added.
        days : int
            Number of days before today that are posted to ``intervaldata``.
        """
        data = public_key.encode() if isinstance(public_key, str) else public_key
        with self._lock:  # the next day may begin meanwhile
            self._recipient = (keyring, keyring.add(data)[0])
            for ago in range(days, 0, -1):
                self.post(self.today - timedelta(days=ago))

    def post(self, day: date) -> list[Path]:
        """Post the LSE files of a day, one for each TDSP, to ``intervaldata``."""
        made = datetime.combine(day + timedelta(days=1), clock(6, 30))
        paths = []
        for tdsp in sorted({m.tdsp for m in self.meters if m.tdsp}):
            meters = [m for m in self.meters if m.tdsp == tdsp]
            name = lse_name(tdsp, made)
            paths.append(self._lay("intervaldata", name, _written(synthetic.write_lse, meters, day), day))
        return paths

    def ask(self, start: date, end: date) -> Path:
        """Post an ad hoc report, an interval CSV of all meters, to ``adhocusage``; ``end`` is exclusive."""
        made = datetime.combine(self.today, clock(9, 0))
        data = _written(synthetic.write_interval_csv, self.meters, start, end, layout=IntervalCsv())
        return self._lay("adhocusage", csv_name("IntervalMeterUsage", made), data, self.today)

    def next_day(self) -> None:
        """Advance the date by one day: post a new file, and delete files older than ten days."""
        with self._lock:
            self.post(self.today)
            self.today += timedelta(days=1)
            for day, path in list(self._posted):
                if (self.today - day).days > KEPT:
                    path.unlink(missing_ok=True)
                    self._posted.remove((day, path))

    def _lay(self, folder: str, name: str, data: bytes, day: date) -> Path:
        if self._recipient is None:
            raise SettingsError("The sandbox has no OpenPGP key of a customer", next_step="Call register_key() first.")
        keyring, fingerprint = self._recipient
        name, message = pack(name, {name: data}, encrypt=lambda plain: keyring.encrypt(plain, fingerprint))
        path = self.sftp.put(f"{folder}/{name}", message)
        self._posted.append((day, path))
        return path

    def write_settings(self, folder: _files.StrPath, *, protocol: str = "sftp") -> Path:
        """Write a settings file for all servers, and the files of its secrets, and return its path."""
        path = self.custodian.write_settings(folder)
        server = self.sftp if protocol == "sftp" else self.ftps
        _files.write_private(path.parent / "smt-password", server.password.reveal().encode())
        own: dict[str, object] = {
            "protocol": protocol,
            "host": server.endpoint.host,
            "port": server.endpoint.port,
            "user": server.user,
            "password": {"file": "smt-password"},
            "into": "smt-files",
            "delete": "decrypted",
        }
        if protocol == "sftp":
            own["host_key"] = self.sftp.host_key
        else:
            pair = self.ftps.pair
            own |= {"certificate": pair.certificate, "certificate_key": pair.key, "ca_file": self.ftps.authority.file}
        text = f"{path.read_text(encoding='utf-8')}\n{_toml.dumps({'smt': own})}"
        _files.write_private(path, text.encode())
        return path


def _written(write: Any, meters: Any, start: date, end: date | None = None, **more: Any) -> bytes:
    import io

    out = io.BytesIO()
    write(out, meters, start.isoformat(), (end or start + timedelta(days=1)).isoformat(), **more)
    return out.getvalue()


@contextlib.contextmanager
def start(
    profile: str = "pge",
    *,
    day_length: float | None = None,
    dialect: str | None = None,
    redirect_uris: tuple[str, ...] = (custodian.REDIRECT,),
    notification_uri: str | None = None,
    server_certificate: Pair | None = None,
) -> Iterator[Utility]:
    """Start the simulated utility on free ports of 127.0.0.1. It stops at the end of the ``with`` block.

    Parameters
    ----------
    profile : str
        Profile whose dialect the service has; see :data:`greenkit.custodian.profiles.SHIPPED`. Its zone is that of the
        meters, America/Chicago, so that the same dates mean the same days at every server.
    day_length : float, optional
        Length of a simulated day in seconds, after which files are added and deleted. Default: the date stays.
    dialect, redirect_uris, notification_uri, server_certificate
        As for :func:`greenkit.sandbox.custodian.start`.

    Yields
    ------
    Utility

    Examples
    --------
    >>> with start() as utility:
    ...     utility.custodian.profile.name, len(utility.truth("2024-11-03", "2024-11-04"))
    ('pge', 400)
    """
    customers = people()
    with until_exit() as held:
        authority = held.enter_context(Authority())
        served = held.enter_context(
            custodian.start(
                # dates without an offset are days of the meters, as in truth() and in the files
                dataclasses.replace(profiles.load(profile), zone=ZONE),
                authority=authority,
                people=customers,
                dialect=dialect,
                redirect_uris=redirect_uris,
                notification_uri=notification_uri,
                server_certificate=server_certificate,
            )
        )
        ftps = held.enter_context(FtpsServer(authority=authority))
        sftp = held.enter_context(SftpServer(ftps.root))
        utility = Utility(served, ftps, sftp, tuple(m for c in customers for m in c.meters))
        if day_length is not None:
            held.enter_context(_days_go_by(utility, day_length))
        yield utility


@contextlib.contextmanager
def _days_go_by(utility: Utility, length: float) -> Iterator[None]:
    if not length > 0:
        raise SettingsError(
            f"day_length is {length:g}, but it must be greater than 0", next_step="Pass the length in seconds."
        )
    ended = threading.Event()

    def go() -> None:
        while not ended.wait(length):
            if utility._recipient is not None:
                utility.next_day()

    thread = threading.Thread(target=go, name="greenkit sandbox days", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def serve(folder: _files.StrPath, write_line: Callable[[str], object], *, profile: str, day_length: float) -> None:
    """Run the sandbox in a terminal until Ctrl-C.

    Parameters
    ----------
    folder : path
        Gets the settings, secrets, and keys.
    write_line : callable
        Takes each line of output.
    profile : str
        Profile whose dialect the service has.
    day_length : float
        Length of a simulated day in seconds.

    Raises
    ------
    BusyError
        If another sandbox runs in the folder.
    SettingsError
        If a package of the sandbox is not installed, or an argument is invalid.
    """
    folder = _files.private_folder(folder).absolute()
    with contextlib.ExitStack() as held:
        held.enter_context(_files.locked(folder / ".lock", timeout=0.0))
        utility = held.enter_context(start(profile))
        settings = utility.write_settings(folder)
        write_line(f"Green Button Connect  {utility.custodian.url} (sign in as Ada or Grace)")
        write_line(f"FTPS, SFTP            {utility.ftps.endpoint} {utility.sftp.endpoint}")
        write_line(f"settings              {settings}")
        try:
            _make_key(utility, folder / "gnupg", settings, held)
            held.enter_context(_days_go_by(utility, day_length))  # ends before the key is deleted
            write_line(f"Ready. A new file is added every {day_length:g} s. Press Ctrl-C to stop.")
        except NoGpgProgram as e:
            write_line(f"Ready, but without files on the file servers: {e} Press Ctrl-C to stop.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _make_key(utility: Utility, home: Path, settings: Path, held: contextlib.ExitStack) -> None:
    """Create the key of the customer, add its place to the settings, and post the files of the last days."""
    key = pgp.new_key(home, name="Sandbox customer", passphrase=None, unprotected=True)
    own = held.enter_context(Keyring(home))
    held.callback(own.forget)
    theirs = held.enter_context(Keyring.temporary())
    with settings.open("a", encoding="utf-8") as file:
        file.write("\n" + _toml.dumps({"smt": {"pgp": {"home": home}}}))
    utility.register_key(own.public_key(key.fingerprint), theirs)
