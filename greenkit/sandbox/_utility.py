"""The sandbox made whole: one pretend utility on this machine, with one truth behind every server.

The same meters are served by a Green Button Connect service (:mod:`greenkit.sandbox.custodian`) and appear, a file for
each day, on the file servers of Smart Meter Texas (:mod:`greenkit.sandbox.files`), zipped and encrypted with OpenPGP.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenkit import _files, _toml, pgp, synthetic
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
"""Days after which a file goes from the server, as at Smart Meter Texas."""
TODAY: Final = date(2024, 11, 11)
"""The pretend day on which the sandbox starts: the days before it hold the change from daylight-saving time."""


def people() -> tuple[Customer, ...]:
    """Make the customers: Ada with a home (panels on its roof) and a shop, Grace with a home; all in Texas."""
    home = synthetic.household(1, zone=ZONE, solar=5.0, tdsp="oncor", faults=())
    shop = synthetic.shop(2, zone=ZONE, tdsp="oncor", faults=())
    other = synthetic.household(3, zone=ZONE, tdsp="centerpoint", faults=())
    word = custodian.PASSWORD
    return Customer(1, "Ada", word, (home, shop)), Customer(2, "Grace", word, (other,))


@dataclass
class Utility:
    """A running pretend utility; :func:`start` makes it.

    Attributes
    ----------
    custodian : greenkit.sandbox.custodian.Custodian
        The Green Button Connect service; ``custodian.connect()`` gives a registered client.
    ftps, sftp : FtpsServer, SftpServer
        The file servers, over one folder; ``ftps.remote()`` gives a remote that logs in.
    meters : tuple of Meter
        The truth behind all of them.
    today : date
        The pretend day: the newest file holds the day before.
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
        """Give what the meters really measured, as a tidy frame; ``end`` exclusive."""
        return synthetic.fleet_frame(list(self.meters), start, end)

    def register_key(self, public_key: str | bytes, keyring: Keyring, *, days: int = 7) -> None:
        """Accept a customer's public OpenPGP key, as SMT does with what is mailed to it, and post the last days.

        Parameters
        ----------
        public_key : str or bytes
            Armoured.
        keyring : Keyring
            The utility's own, to which the key is added.
        days : int
            How many days before today are posted to ``intervaldata``.
        """
        data = public_key.encode() if isinstance(public_key, str) else public_key
        self._recipient = (keyring, keyring.add(data)[0])
        for ago in range(days, 0, -1):
            self.post(self.today - timedelta(days=ago))

    def post(self, day: date) -> list[Path]:
        """Lay a day's LSE files, one for each TDSP, into ``intervaldata``."""
        made = datetime.combine(day + timedelta(days=1), clock(6, 30))
        paths = []
        for tdsp in sorted({m.tdsp for m in self.meters if m.tdsp}):
            meters = [m for m in self.meters if m.tdsp == tdsp]
            name = lse_name(tdsp, made)
            paths.append(self._lay("intervaldata", name, _written(synthetic.write_lse, meters, day), day))
        return paths

    def ask(self, start: date, end: date) -> Path:
        """Lay an ad-hoc report, an interval CSV of all meters, into ``adhocusage``; ``end`` exclusive."""
        made = datetime.combine(self.today, clock(9, 0))
        data = _written(synthetic.write_interval_csv, self.meters, start, end, layout=IntervalCsv())
        return self._lay("adhocusage", csv_name("IntervalMeterUsage", made), data, self.today)

    def next_day(self) -> None:
        """Let a day go by: a new file comes, and those older than ten days go."""
        with self._lock:
            self.post(self.today)
            self.today += timedelta(days=1)
            for day, path in list(self._posted):
                if (self.today - day).days > KEPT:
                    path.unlink(missing_ok=True)
                    self._posted.remove((day, path))

    def _lay(self, folder: str, name: str, data: bytes, day: date) -> Path:
        if self._recipient is None:
            raise SettingsError("the sandbox has no OpenPGP key to encrypt to: call register_key first")
        keyring, fingerprint = self._recipient
        name, message = pack(name, {name: data}, encrypt=lambda plain: keyring.encrypt(plain, fingerprint))
        path = self.sftp.put(f"{folder}/{name}", message)
        self._posted.append((day, path))
        return path

    def write_settings(self, folder: _files.StrPath, *, protocol: str = "sftp") -> Path:
        """Write a settings file for all of the servers, and the secrets that it names, as a user would have them."""
        path = self.custodian.write_settings(folder)
        server = self.sftp if protocol == "sftp" else self.ftps
        _files.write_private(path.parent / "smt-password", server.password.reveal().encode())
        own: dict[str, object] = {
            "protocol": protocol,
            "host": server.endpoint.host,
            "port": server.endpoint.port,
            "user": server.user,
            "password": {"file": "smt-password"},
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
def start(profile: str = "pge", *, day_length: float | None = None, **more: Any) -> Iterator[Utility]:
    """Start the pretend utility on free ports of 127.0.0.1; it stops at the end of the ``with`` block.

    Parameters
    ----------
    profile : str
        Whose dialect of Green Button Connect it speaks; see :data:`greenkit.custodian.profiles.SHIPPED`.
    day_length : float, optional
        Seconds of a pretend day, after each of which a file comes and the eldest go; time stands when absent.
    **more
        For :func:`greenkit.sandbox.custodian.start`: ``dialect``, ``redirect_uris``, ``notification_uri``, …

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
        served = held.enter_context(custodian.start(profile, authority=authority, people=customers, **more))
        ftps = held.enter_context(FtpsServer(authority=authority))
        sftp = held.enter_context(SftpServer(ftps.root))
        utility = Utility(served, ftps, sftp, tuple(m for c in customers for m in c.meters))
        if day_length is not None:
            held.enter_context(_days_go_by(utility, day_length))
        yield utility


@contextlib.contextmanager
def _days_go_by(utility: Utility, length: float) -> Iterator[None]:
    if not length > 0:
        raise SettingsError(f"a pretend day of {length:g} s cannot go by: give more than none")
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
    """Run the sandbox for a terminal: write its settings and key into a folder, tell where all is, wait for Ctrl-C."""
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
            held.enter_context(_days_go_by(utility, day_length))  # they end before the key goes
            write_line(f"ready: a new file every {day_length:g} s; press Ctrl-C to stop")
        except NoGpgProgram as e:
            write_line(f"ready, without files on the file servers: {e}; press Ctrl-C to stop")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _make_key(utility: Utility, home: Path, settings: Path, held: contextlib.ExitStack) -> None:
    """Make the customer's key, write down where it is, and post the files of the last days."""
    key = pgp.new_key(home, name="Sandbox customer", passphrase=None, unprotected=True)
    own = held.enter_context(Keyring(home))
    held.callback(own.forget)
    theirs = held.enter_context(Keyring.temporary())
    with settings.open("a", encoding="utf-8") as file:
        file.write("\n" + _toml.dumps({"smt": {"pgp": {"home": home}}}))
    utility.register_key(own.public_key(key.fingerprint), theirs)
