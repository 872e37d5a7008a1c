"""Small feeds, written by hand: what each test says is all that its feed holds."""

import calendar
from datetime import datetime

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
EASTERN = {"tzOffset": -18000, "dstOffset": 3600, "dstStartRule": "360E2000", "dstEndRule": "B40E2000"}
CENTRAL = EASTERN | {"tzOffset": -21600}
PACIFIC = EASTERN | {"tzOffset": -28800}
WH = {"flowDirection": 1, "intervalLength": 3600, "powerOfTenMultiplier": 0, "uom": 72}
UP, MR, RT, LTP = "UsagePoint/1", "UsagePoint/1/MeterReading/2", "ReadingType/3", "LocalTimeParameters/4"


def utc(text):
    """Epoch seconds of a UTC time."""
    return calendar.timegm(datetime.fromisoformat(text).timetuple())


def xml(tag, value):
    """One element: a dict becomes members, a list repeats the element, None is nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(xml(tag, v) for v in value)
    inner = "".join(xml(k, v) for k, v in value.items()) if isinstance(value, dict) else value
    return f"<{tag}>{inner}</{tag}>"


def resource(kind, members=None, inner="", ns=ESPI):
    return f'<{kind} xmlns="{ns}">{"".join(xml(k, v) for k, v in (members or {}).items())}{inner}</{kind}>'


def reading(start=None, value=None, duration=3600, **members):
    period = {"duration": duration, "start": start} if start is not None else None
    return xml("IntervalReading", {"timePeriod": period, "value": value, **members})


def hourly(start, values, duration=3600, **members):
    return "".join(reading(start + i * duration, v, duration, **members) for i, v in enumerate(values))


def block(readings, start=None, duration=None):
    interval = None if start is None else {"duration": duration, "start": start}
    return resource("IntervalBlock", {"interval": interval}, readings)


def entry(content, self_="", up="", related=(), updated="", title="", id_=""):
    links = "".join(f'<link rel="{rel}" href="{h}"/>' for rel, h in [("self", self_), ("up", up)] if h)
    links += "".join(f'<link rel="related" href="{h}"/>' for h in related)
    atom = "".join(xml(k, v) for k, v in (("id", id_), ("title", title), ("updated", updated)) if v)
    return f"<entry>{atom}{links}<content>{content}</content></entry>"


def feed(*entries, title=""):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{ATOM}"><title>{title}</title>{"".join(entries)}</feed>'.encode()


def usage_point(kind=0, self_=UP, related=(MR, LTP), **members):
    return entry(resource("UsagePoint", {"ServiceCategory": {"kind": kind}, **members}), self_, related=related)


def meter_reading(self_=MR, related=(f"{MR}/IntervalBlock", RT)):
    return entry(resource("MeterReading"), self_, related=related)


def reading_type(self_=RT, **members):
    return entry(resource("ReadingType", WH | members), self_)


def local_time(members=EASTERN):
    return entry(resource("LocalTimeParameters", members), LTP)


def blocks(*contents, up=f"{MR}/IntervalBlock", **kw):
    return "".join(entry(c, f"{up}/{i}", up, **kw) for i, c in enumerate(contents))


def whole(*contents, local=EASTERN, service=0, more="", title="", **type_members):
    """A linked feed of one usage point with these blocks."""
    parts = [usage_point(service), meter_reading(), reading_type(**type_members), blocks(*contents), more]
    return feed(*parts, *([local_time(local)] if local else []), title=title)


def meters(start, *values, local=EASTERN):
    """A linked feed of one usage point for each list of hourly values."""
    parts = [reading_type()]
    for n, own in enumerate(values):
        path = f"UsagePoint/{n}/MeterReading/1"
        parts += [usage_point(self_=f"UsagePoint/{n}", related=(path,)), meter_reading(path)]
        parts += [entry(block(hourly(start, own)), f"{path}/IntervalBlock/1", related=(path,))]
    return feed(*parts, *([local_time(local)] if local else []))
