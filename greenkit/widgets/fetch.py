"""Fetch Smart Meter Texas files in a notebook: the panel and its model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from greenkit import frame
from greenkit.errors import GreenkitError
from greenkit.findings import counted
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import PanelModel
from greenkit.widgets.explore import Explore

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.transfer._account import Source
    from greenkit.transfer._doctor import Diagnosis
    from greenkit.transfer._inbox import Decrypts
    from greenkit.transfer._pull import FetchReport
    from greenkit.transfer._remote import Remote

_Answer = TypeVar("_Answer")


class SmtFetch(PanelModel):
    """Files on one Smart Meter Texas server, without a widget.

    Parameters
    ----------
    remote : Remote
    into : path
        Local folder for the files.
    pgp : Keyring or callable, optional
        Decrypts the files.
    delete : {"never", "decrypted", "fetched"}
        As in :func:`greenkit.fetch_smt`.
    settings : path, Settings or SmtSettings, optional
        Settings that ``remote`` was made from; :meth:`check` needs them.

    Attributes
    ----------
    folders : list of str
        Remote folders to choose from.
    folder : str
        The selected remote folder.
    names : list of str or None
        File names of the latest listing.
    report : FetchReport or None
        Report of the latest fetch.
    diagnosis : Diagnosis or None
        Result of the latest check.
    frame : DataFrame or None
        The loaded intervals.
    """

    def __init__(
        self,
        remote: Remote,
        into: str | os.PathLike[str],
        pgp: Decrypts | None = None,
        delete: str = "never",
        settings: Source = None,
    ) -> None:
        super().__init__()
        self.remote, self.into, self.pgp, self.delete, self.settings = remote, Path(into), pgp, delete, settings
        self.folders = list(remote.endpoint.folders) or [""]
        self.folder = self.folders[0]
        self.names: list[str] | None = None
        self.report: FetchReport | None = None
        self.diagnosis: Diagnosis | None = None
        self.frame: pd.DataFrame | None = None
        self.set_status(f"{remote.endpoint}: Ready. List the files, or fetch new files.")

    def choose(self, folder: str) -> None:
        """Choose the remote folder."""
        with self.lock:
            self.folder = folder
            self._shown()
            self.changed()

    def _shown(
        self,
        names: list[str] | None = None,
        report: FetchReport | None = None,
        diagnosis: Diagnosis | None = None,
    ) -> None:
        """Keep only the newest result, because the panel shows the result of the latest click."""
        self.names, self.report, self.diagnosis = names, report, diagnosis

    def check(self) -> None:
        """Check every step, from the settings to a decrypted message. See :func:`greenkit.check_smt`."""
        self.start("Checking", self._check)

    def _check(self) -> None:
        from greenkit.transfer._account import smt_settings
        from greenkit.transfer._doctor import check_smt

        found = check_smt(smt_settings(self.settings), into=self.into)
        wrong = [c for c in found.checks if c.state == "failed"]
        with self.lock:
            self._shown(diagnosis=found)
            if wrong:
                self.set_status(f"{wrong[0].name}: {wrong[0].found}. {wrong[0].next_step}", "bad")
            else:
                self.set_status("Every step works.", "good")

    def list(self) -> None:
        """List the files in the remote folder."""
        self.start("Listing", self._list)

    def _list(self) -> None:
        folder = self.folder
        names = self.remote.names(folder)
        with self.lock:
            self._shown(names=sorted(names))
            self.set_status(f"{folder} contains {counted(len(names), 'file')}.", "good")

    def fetch(self) -> None:
        """Fetch the files that are not in the local folder yet."""
        self.start("Fetching", self._fetch)

    def _fetch(self) -> None:
        from greenkit.transfer._pull import pull

        report = pull(
            self.remote, self.folder, into=self.into, pgp=self.pgp, delete=self.delete, progress=self.progress
        )
        worst = report.findings.worst
        with self.lock:
            self._shown(report=report)
            text = f"Fetched {counted(len(report.new), 'new file')}; {len(report):,} on the server or in the ledger."
            if worst is not None and worst.severity != "info":
                self.set_status(f"{text} {worst.message}", "bad")
            else:
                self.set_status(text, "good" if report.complete else "bad")

    def load(self) -> None:
        """Load the files in the local folder."""
        self.start("Loading", self._load)

    def _load(self) -> None:
        from greenkit.smt import load_smt

        df = load_smt(self.into)
        with self.lock:
            self.frame = df
            problems = sum(f.severity != "info" for f in frame.findings_of(df))
            notes = f"; {counted(problems, 'finding')}" if problems else ""
            self.set_status(f"Loaded {counted(len(df), 'interval')}{notes}.", "good")


class FetchSmt(_parts.Panel):
    """Panel for the Smart Meter Texas file server: check, list, fetch, and load files, and chart the data.

    Parameters
    ----------
    remote : Remote
        SFTP or FTPS server.
    into : path
        Local folder for the files.
    pgp : Keyring or callable, optional
        Decrypts the files.
    delete : {"never", "decrypted", "fetched"}
        Which files greenkit may delete on the server. See :func:`greenkit.fetch_smt`. Default: ``"never"``.
    settings : path, Settings or SmtSettings, optional
        Settings that ``remote`` was made from. With them, the panel has a button that checks every step.

    Attributes
    ----------
    report : FetchReport or None
        Report of the latest fetch.
    frame : DataFrame or None
        The loaded intervals.
    error : Exception or None
        The latest error; None if the latest action succeeded.

    Examples
    --------
    >>> panel = greenkit.widgets.FetchSmt(greenkit.smt_remote("settings.toml"), into="smt")  # doctest: +SKIP
    """

    model: SmtFetch

    def __init__(
        self,
        remote: Remote,
        into: str | os.PathLike[str],
        *,
        pgp: Decrypts | None = None,
        delete: str = "never",
        settings: Source = None,
    ) -> None:
        self.model = SmtFetch(remote, into, pgp, delete, settings)
        self.explore = Explore()
        self.model.listen(lambda: self.explore.fetched(self.model.frame))
        if _model.has_front_end():
            self._build()

    @property
    def report(self) -> FetchReport | None:
        """Report of the latest fetch."""
        return self.model.report

    @property
    def frame(self) -> pd.DataFrame | None:
        """The loaded intervals."""
        return self.model.frame

    def fetch(self, timeout: float | None = None) -> FetchReport:
        """Fetch new files as the button does, and wait: for a notebook that runs unattended.

        Returns
        -------
        FetchReport
            Report of this fetch, which also lists incomplete files.

        Raises
        ------
        GreenkitError
            If the fetch fails, with the text of the status line. An incomplete file is not an error.
        TimeoutError
            If the fetch has not ended within ``timeout`` [s]. It continues in the background.
        """
        return self._done(self.model.fetch, timeout, lambda: self.report)

    def load(self, timeout: float | None = None) -> pd.DataFrame:
        """Load the files in the local folder, and wait. See :meth:`fetch`."""
        return self._done(self.model.load, timeout, lambda: self.frame)

    def _done(self, begin: Callable[[], None], timeout: float | None, answer: Callable[[], _Answer | None]) -> _Answer:
        self.wait(timeout)
        begin()
        self.wait(timeout)
        came = answer()
        if self.error is not None or came is None:
            raise self.error or GreenkitError(
                "Nothing was fetched, because another job was running", next_step="Fetch again."
            )
        return came

    def _build(self) -> None:
        import ipywidgets as w

        model = self.model
        auto = w.Layout(width="auto")
        self._folder = w.Dropdown(description="Folder", options=model.folders, style=_parts.FIELD, layout=auto)
        self._folder.observe(model.guard(lambda change: model.choose(change["new"])), "value")
        jobs: tuple[tuple[str, str, Callable[[], None]], ...] = (
            ("Check", "Check every step of the connection", model.check),
            ("List", "List the files in the remote folder", model.list),
            ("Fetch", "Fetch new files", model.fetch),
            ("Load", "Load the files in the local folder", model.load),
        )
        self._buttons = [_parts.button(name, tip, job, model, first=name == "Fetch") for name, tip, job in jobs]
        _parts.show_when(self._buttons[0], model.settings is not None)
        self._bar, self._listing = _parts.bar(), w.HTML()
        self._chart = self.explore.without_files()
        self.widget = _parts.column(
            _parts.heading(f"Smart Meter Texas: {model.remote.endpoint}"),
            _parts.row(self._folder, *self._buttons, self._bar),
            _parts.status(model),
            self._listing,
            self._chart,
        )
        model.listen(self._show)
        self._show()

    def _show(self) -> None:
        model = self.model
        for box in (self._folder, *self._buttons):
            box.disabled = model.busy and not _parts.begins(box, model.doing)
        _parts.show_share(self._bar, model)
        self._listing.value = _listing(model)
        _parts.show_when(self._chart, model.frame is not None)


def _listing(model: SmtFetch) -> str:
    answer = model.report if model.report is not None else model.diagnosis
    if answer is not None:
        return str(answer._repr_html_())
    return _parts.listing(model.names or [])
