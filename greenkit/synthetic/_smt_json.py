"""Write the JSON answers of Smart Meter Texas: of its REST API, and of the calls of its portal.

A day of the API has 100 slots. Slots 8 to 11 are the repeated hour and are empty on all other days. On the
spring-forward day, the skipped hour (slots 12 to 15) is empty too.
"""

from __future__ import annotations

import json
from typing import Any, Final

from greenkit.synthetic import _smt_days
from greenkit.synthetic._meters import Meter
from greenkit.synthetic._smt_csv import HOUR, bill_periods, labels, number, register_days
from greenkit.synthetic._smt_days import MISSING, Day

KINDS: Final = {"delivered": "C", "received": "G"}


def intervals(meter: Meter, start: Any, end: Any, *, redelivered: int = 0, wrapped: bool = False) -> bytes:
    """Return the answer of ``/v2/15minintervalreads/``; ``wrapped`` is the form of ``intervalsynch`` of the portal."""
    found = [
        {
            "DT": f"{day.date:%m/%d/%Y}",
            "RevTS": f"{day.revision:%m/%d/%Y %H:%M:%S}",
            "RT": KINDS[day.channel.flow],
            "RD": ",".join(slots(day)),
        }
        for channels in _smt_days.of_meter(meter, start, end, redelivered=redelivered)
        for day in channels
    ]
    body = {"trans_id": "000001", "esiid": meter.id, "energyData": found}
    return _json({"data": body} if wrapped else body)


def slots(day: Day) -> list[str]:
    """Return the 100 slots of a day."""
    texts = [
        "" if amount == MISSING else f"{number(amount)}-{'E' if estimated else 'A'}"
        for amount, estimated in zip(day.amounts, day.estimated, strict=True)
    ]
    change, empty = 2 * HOUR, [""] * HOUR
    if len(texts) == 100:
        return texts
    if len(texts) == 92:
        return texts[:change] + empty + empty + texts[change:]
    return texts[:change] + empty + texts[change:]


def daily(meter: Meter, start: Any, end: Any) -> bytes:
    """Return the answer of ``/v2/dailyreads/``: register readings."""
    names = ("readDate", "revisionDate", "startReading", "endReading", "energyDataKwh")
    reads = [dict(zip(names, read, strict=True)) for read in register_days(meter, start, end)]
    return _json({"trans_id": "000001", "esiid": meter.id, "registeredReads": reads})


def portal_intervals(meter: Meter, start: Any, end: Any) -> bytes:
    """Return the answer of ``/api/usage/interval`` of the portal: one row for each interval, with both flows."""
    rows = []
    for channels in _smt_days.of_meter(meter, start, end):
        flows = {day.channel.flow: day for day in channels}
        used, made = flows["delivered"], flows.get("received")
        for begin, finish, place in labels(len(used.amounts)):
            rows.append(
                {
                    "starttime": _half_day(begin),
                    "endtime": _half_day(finish),
                    "date": f"{used.date:%Y-%m-%d}",
                    "consumption": _kwh(used, place),
                    "consumption_est_act": _letter(used, place),
                    "generation": 0 if made is None else _kwh(made, place),
                    "generation_est_act": None if made is None else _letter(made, place),
                }
            )
    return _json({"intervaldata": rows})


def portal_daily(meter: Meter, start: Any, end: Any) -> bytes:
    """Return the answer of ``/api/usage/daily`` of the portal."""
    names = ("date", "startreading", "endreading", "reading")
    rows = [dict(zip(names, (r[0], *r[2:]), strict=True)) for r in register_days(meter, start, end)]
    return _json({"dailyData": rows})


def portal_monthly(meter: Meter, start: Any, end: Any) -> bytes:
    """Return the answer of ``/api/usage/monthly`` of the portal."""
    names = ("startdate", "enddate", "actl_kwh_usg")
    return _json({"monthlyData": [dict(zip(names, p, strict=True)) for p in bill_periods(meter, start, end)]})


def no_data() -> bytes:
    """Return the answer for a request without data."""
    return _json({"errorCode": "1", "errorMessage": "No data received from the respective TDSP"})


def _half_day(minutes: int) -> str:
    hour, minute = divmod(minutes % 1440, 60)
    return f" {hour % 12 or 12:02d}:{minute:02d} {'am' if hour < 12 else 'pm'}"


def _kwh(day: Day, place: int | None) -> float | None:
    return None if place is None or day.amounts[place] == MISSING else day.amounts[place] / 1000


def _letter(day: Day, place: int | None) -> str | None:
    if _kwh(day, place) is None or place is None:
        return None
    return "E" if day.estimated[place] else "A"


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
