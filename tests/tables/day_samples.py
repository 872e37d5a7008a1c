"""Days of local time as rows of text, made from UTC hour by hour, so independently of how greenkit places labels."""

import datetime as dt
import zoneinfo


def day(date, zone, minutes=60):
    """Yield (UTC start, what the local clock shows) for each interval of a local day."""
    tz = zoneinfo.ZoneInfo(zone)
    date = dt.date.fromisoformat(date)
    at = dt.datetime(date.year, date.month, date.day, tzinfo=tz).astimezone(dt.UTC)
    end = date + dt.timedelta(days=1)
    stop = dt.datetime(end.year, end.month, end.day, tzinfo=tz).astimezone(dt.UTC)
    while at < stop:
        yield at, at.astimezone(tz).replace(tzinfo=None)
        at += dt.timedelta(minutes=minutes)


def values(count, start=1):
    """Return values of which each is different, and which rise and fall: 1.001, 1.702, 1.403, …"""
    return [round(start + (i * 7 % 10) / 10 + (i + 1) / 1000, 3) for i in range(count)]


def utc(df, column="start"):
    """Return times as UTC text without seconds."""
    return [t.strftime("%m-%d %H:%M") for t in df[column].dt.tz_convert("UTC")]
