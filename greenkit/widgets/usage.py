"""Fetch usage from a utility in a notebook, after a customer has authorized: the panel and its model."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from greenkit.errors import GreenkitError, SettingsError
from greenkit.findings import SEVERITIES, counted
from greenkit.frame import findings_of
from greenkit.widgets import _model, _parts
from greenkit.widgets._model import Kind, PanelModel
from greenkit.widgets.authorize import Authorize, SignIn
from greenkit.widgets.explore import Explore, summary_html

if TYPE_CHECKING:
    import pandas as pd

    from greenkit.custodian import Client, Method

EVERY: Final = "all usage points"
USUAL_DAYS: Final = 30


class UsageFetch(PanelModel):
    """Usage of one client, without a widget.

    Parameters
    ----------
    client : Client
    first, last : date, optional
        First and last local day, both inclusive. Default: the last 30 complete days.

    Attributes
    ----------
    usage_points : list of str
        Usage points to choose from: all of them, and each one that the utility lists.
    usage_point : str
        The selected usage point.
    frame : DataFrame or None
        The latest fetched usage.
    """

    def __init__(self, client: Client, first: datetime.date | None = None, last: datetime.date | None = None) -> None:
        super().__init__()
        self.client = client
        yesterday = datetime.date.today() - datetime.timedelta(days=1)
        self.last = last or yesterday
        self.first = first or self.last - datetime.timedelta(days=USUAL_DAYS - 1)
        self.usage_points, self.usage_point = [EVERY], EVERY
        self.frame: pd.DataFrame | None = None

    def ask_usage_points(self) -> None:
        """Request the usage points from the utility; client credentials have no such list."""
        if self.client.grant == "authorization_code":
            self.start("Requesting the usage points", self._ask)

    def _ask(self) -> None:
        found = sorted({str(i) for i in self.client.usage_points()["meter"]})
        with self.lock:
            self.usage_points = [EVERY, *found]
            if self.usage_point not in self.usage_points:
                self.usage_point = EVERY
            self.set_status(f"Found {counted(len(found), 'usage point')}. Choose the days, then select Fetch.")

    def choose(self, **choices: Any) -> None:
        """Change ``usage_point``, ``first``, or ``last``."""
        with self.lock:
            for name, value in choices.items():
                if name not in ("usage_point", "first", "last"):
                    raise TypeError(f"choose() has no argument {name!r}")
                if value is None:
                    raise SettingsError("A day is missing", next_step="Choose the first and the last day.")
                setattr(self, name, value)

    def fetch(self) -> None:
        """Fetch the selected days; :attr:`frame` contains them when the job has ended."""
        if self.last < self.first:
            raise SettingsError(
                f"The last day {self.last} is before the first day {self.first}", next_step="Choose other days."
            )
        self.start("Fetching", self._fetch)

    def _fetch(self) -> None:
        point = None if self.usage_point == EVERY else self.usage_point
        end = self.last + datetime.timedelta(days=1)
        df = self.client.usage(self.first, end, point, progress=self.progress)
        with self.lock:
            if not len(df):  # keep the previous frame
                self.set_status("The utility has no readings for these days.", "idle")
                return
            self.frame = df
            self.set_status(*_outcome(df))


def _outcome(df: pd.DataFrame) -> tuple[str, Kind]:
    """Return the status line of a fetch: the number of intervals, and the worst finding on missing data."""
    text = f"Fetched {len(df):,} intervals."
    missing = [f for f in findings_of(df) if f.name.startswith("custodian.") and f.severity != "info"]
    if not missing:
        return text, "good"
    worst = max(missing, key=lambda f: SEVERITIES.index(f.severity))
    return f"{text} {worst.message}", "bad" if worst.severity == "serious" else "idle"


class AuthorizeAndFetch(_parts.Panel):
    """Panel for the complete workflow: authorize, choose usage point and days, fetch, and chart.

    A client that uses client credentials (PG&E's Self Access) needs no sign-in.

    Parameters
    ----------
    client : Client
        From :func:`greenkit.connect`.
    first, last : date, optional
        First and last local day when the panel opens, both inclusive. Default: the last 30 complete days.
    method : {"auto", "loopback", "paste"}
        As in :class:`Authorize`.

    Attributes
    ----------
    frame : DataFrame or None
        The latest fetched usage; None before the first fetch.
    authorized : bool
        Whether the client can request data.
    explore : Explore
        The panel with the chart.
    error : Exception or None
        The latest error; None if the latest action succeeded.

    Examples
    --------
    >>> panel = greenkit.widgets.AuthorizeAndFetch(greenkit.connect("pge"))  # doctest: +SKIP
    >>> panel  # doctest: +SKIP
    >>> panel.frame  # in the next cell, after a click on Fetch # doctest: +SKIP
    """

    model: UsageFetch

    def __init__(
        self,
        client: Client,
        *,
        first: datetime.date | None = None,
        last: datetime.date | None = None,
        method: Method = "auto",
    ) -> None:
        self.model = UsageFetch(client, first, last)
        self.explore = Explore()
        self._was_authorized = False
        self.authorize = Authorize(client, method=method)
        self.sign_in: SignIn = self.authorize.model
        self.model.listen(lambda: self.explore.fetched(self.model.frame))
        self.sign_in.listen(self._signed_in)
        if _model.has_front_end():
            self._build()
        self._signed_in()

    @property
    def frame(self) -> pd.DataFrame | None:
        """The latest fetched usage; None before the first fetch."""
        return self.model.frame

    @property
    def authorized(self) -> bool:
        """Whether the client can request data."""
        return self.sign_in.authorized

    @property
    def error(self) -> Exception | None:
        """The latest error; None if the latest action succeeded."""
        return self.model.error or self.sign_in.error

    def wait(self, timeout: float | None = None) -> None:
        """Wait until running jobs and a finished sign-in are done; raise TimeoutError after ``timeout`` [s]."""
        self.sign_in.wait(timeout)
        self.model.wait(timeout)

    def fetch(self, timeout: float | None = None) -> pd.DataFrame:
        """Fetch the selected days as the button does, and wait: for a notebook that runs unattended.

        Returns
        -------
        DataFrame
            Usage of the selected days, also in :attr:`frame`.

        Raises
        ------
        GreenkitError
            If the fetch fails, with the text of the status line.
        TimeoutError
            If the fetch has not ended within ``timeout`` [s]. It continues in the background.
        """
        self.wait(timeout)
        self.model.fetch()
        self.model.wait(timeout)
        if self.model.error is not None or self.frame is None:
            raise self.model.error or GreenkitError(
                "Nothing was fetched, because another job was running", next_step="Fetch again."
            )
        return self.frame

    def _build(self) -> None:
        import ipywidgets as w

        model = self.model
        field = {"style": _parts.FIELD, "layout": w.Layout(width="auto")}
        self._boxes: dict[str, Any] = {
            "usage_point": w.Dropdown(description="Usage point", options=model.usage_points, **field),
            "first": w.DatePicker(description="First day", value=model.first, **field),
            "last": w.DatePicker(description="Last day", value=model.last, **field),
        }
        for name, box in self._boxes.items():
            box.observe(model.guard(lambda change, name=name: model.choose(**{name: change["new"]})), "value")
        self._fetch = _parts.button("Fetch", "Fetch these days", model.fetch, model, first=True)
        self._bar = _parts.bar()
        self._summary = w.HTML()
        below = _parts.column(
            _parts.row(*self._boxes.values(), self._fetch, self._bar), _parts.status(model), self._summary
        )
        self._chart = self.explore.without_files()
        self.widget = _parts.column(self.authorize.widget, below, self._chart)
        model.listen(self._show)
        self.sign_in.listen(self._show)
        self._show()

    def _signed_in(self) -> None:
        before, self._was_authorized = self._was_authorized, self.sign_in.authorized
        if self._was_authorized and not before:
            self.model.ask_usage_points()

    def _show(self) -> None:
        model = self.model
        if list(self._boxes["usage_point"].options) != model.usage_points:
            self._boxes["usage_point"].options = model.usage_points
            self._boxes["usage_point"].value = model.usage_point
        for box in (*self._boxes.values(), self._fetch):
            box.disabled = not self.authorized or (model.busy and not _parts.begins(box, model.doing))
        _parts.show_share(self._bar, model)
        self._summary.value = summary_html(model.frame) if model.frame is not None and len(model.frame) else ""
        _parts.show_when(self._chart, model.frame is not None)
