"""Both days when clocks change in every layout: a file written by hand, and its rows worked out by hand.

Each golden is the text of a file around the change and the rows that it must give, one on a line: flow, start in UTC,
minutes, value, unit. Nothing here is computed with greenkit: 01:00 in New York on 2024-11-03 is 05:00 UTC the first
time and 06:00 UTC the second time; 03:00 on 2024-03-10 is 07:00 UTC. Chicago is one hour later, Los Angeles three.
"""

import io
from dataclasses import dataclass, field

import pandas as pd
import pytest

import greenkit
from greenkit.findings import quiet
from greenkit.tables import layouts

PACIFIC, EASTERN, CENTRAL = "America/Los_Angeles", "America/New_York", "America/Chicago"
DAYS = ("fall", "spring")


@dataclass
class Golden:
    """A file, the answers that it needs, and what it must give."""

    text: str
    rows: str
    answers: dict = field(default_factory=dict)
    findings: tuple = ()
    sheet: bool = False
    more: int = 0
    """Rows after those that are listed, each of value 1."""
    meter: str = ""


GOLDEN: dict[tuple[str, str], Golden] = {}


def golden(layout, day, text, rows, **more):
    assert (layout, day) not in GOLDEN
    GOLDEN[layout, day] = Golden(text.lstrip("\n"), rows, **more)


def quarters(count=96, first="0000", form="{0}"):
    """Return names such as 0000, 0015, … for the columns of a wide table."""
    minutes = int(first[:2]) * 60 + int(first[2:])
    step = 1440 // count
    times = [minutes + step * i for i in range(count)]
    return [form.format(f"{t // 60:02}{t % 60:02}", f"{t // 60:02}:{t % 60:02}") for t in times]


def ones(*cells, of=96):
    """Return the cells of a wide row: those that are given, then 1 in each."""
    return ",".join([*map(str, cells), *["1"] * (of - len(cells))])


# greenkit's own CSV: times have offsets

_OWN = "meter,series,flow,start,end,value,unit,zone,quality,source\n"
golden(
    "greenkit", "fall",
    _OWN + """m,usage,delivered,2024-11-03 00:00:00-05:00,2024-11-03 01:00:00-05:00,0.1,kWh,America/Chicago,actual,a
m,usage,delivered,2024-11-03 01:00:00-05:00,2024-11-03 01:00:00-06:00,0.2,kWh,America/Chicago,actual,a
m,usage,delivered,2024-11-03 01:00:00-06:00,2024-11-03 02:00:00-06:00,0.3,kWh,America/Chicago,actual,a
""",
    """delivered 2024-11-03 05:00 60 0.1 kWh
delivered 2024-11-03 06:00 60 0.2 kWh
delivered 2024-11-03 07:00 60 0.3 kWh""",
)  # fmt: skip
golden(
    "greenkit", "spring",
    _OWN + """m,usage,net,2024-03-10 01:00:00-06:00,2024-03-10 03:00:00-05:00,-0.1,kWh,America/Chicago,actual,a
m,usage,net,2024-03-10 03:00:00-05:00,2024-03-10 04:00:00-05:00,0.2,kWh,America/Chicago,estimated,a
""",
    """net 2024-03-10 07:00 60 -0.1 kWh
net 2024-03-10 08:00 60 0.2 kWh""",
)  # fmt: skip

# Opower

_PREAMBLE = 'Name,PAT EXAMPLE\nAddress,"1 MAIN ST, TOWN CA 94000"\nAccount Number,7\nService,Service 1\n\n'
golden(
    "opower", "fall",
    _PREAMBLE + """TYPE,DATE,START TIME,END TIME,IMPORT (kWh),EXPORT (kWh),COST,NOTES
Electric usage,2024-11-03,00:00,00:59,1.10,0.00,$0.11,
Electric usage,2024-11-03,01:00,01:59,1.20,0.01,$0.12,
Electric usage,2024-11-03,01:00,01:59,1.30,0.02,$0.13,
Electric usage,2024-11-03,02:00,02:59,1.40,0.03,$0.14,
""",
    """delivered 2024-11-03 07:00 60 1.1 kWh
delivered 2024-11-03 08:00 60 1.2 kWh
delivered 2024-11-03 09:00 60 1.3 kWh
delivered 2024-11-03 10:00 60 1.4 kWh
received 2024-11-03 07:00 60 0.0 kWh
received 2024-11-03 08:00 60 0.01 kWh
received 2024-11-03 09:00 60 0.02 kWh
received 2024-11-03 10:00 60 0.03 kWh""",
    answers={"tz": PACIFIC}, meter="7 Service 1",
)  # fmt: skip
golden(
    "opower", "spring",  # 02:00 stands for 03:00
    _PREAMBLE + """TYPE,DATE,START TIME,END TIME,USAGE,UNITS,COST,NOTES
Electric usage,2024-03-10,00:00,00:59,1.10,kWh,$0.11,
Electric usage,2024-03-10,01:00,01:59,1.20,kWh,$0.12,
Electric usage,2024-03-10,02:00,02:59,1.30,kWh,$0.13,
Electric usage,2024-03-10,04:00,04:59,1.40,kWh,$0.14,
""",
    """delivered 2024-03-10 08:00 60 1.1 kWh
delivered 2024-03-10 09:00 60 1.2 kWh
delivered 2024-03-10 10:00 60 1.3 kWh
delivered 2024-03-10 11:00 60 1.4 kWh""",
    answers={"tz": PACIFIC}, findings=("tables.time.moved",),
)  # fmt: skip
golden(
    "opower-days", "fall",
    """TYPE,DATE,USAGE,UNITS,COST,NOTES
Natural gas usage,2024-11-02,1.01,therms,$2.70,
Natural gas usage,2024-11-03,1.02,therms,$2.71,
Natural gas usage,2024-11-04,1.03,therms,$2.72,
""",
    """delivered 2024-11-02 07:00 1440 1.01 therm
delivered 2024-11-03 07:00 1500 1.02 therm
delivered 2024-11-04 08:00 1440 1.03 therm""",
    answers={"tz": PACIFIC},
)  # fmt: skip
golden(
    "opower-days", "spring",
    """TYPE,DATE,USAGE (therms),COST,NOTES
Natural gas usage,2024-03-09,1.01,$2.70,
Natural gas usage,2024-03-10,1.02,$2.71,
""",
    """delivered 2024-03-09 08:00 1440 1.01 therm
delivered 2024-03-10 08:00 1380 1.02 therm""",
    answers={"tz": PACIFIC},
)  # fmt: skip
golden(
    "opower-bills", "fall",
    "TYPE,START DATE,END DATE,USAGE,UNITS,COST,NOTES\nElectric billing,2024-10-15,2024-11-12,310,kWh,$98.12,\n",
    "delivered bill 2024-10-15 2024-11-13 310 kWh 98.12",
)  # fmt: skip
golden(
    "opower-bills", "spring",
    "TYPE,START DATE,END DATE,USAGE (kWh),COST,NOTES\nElectric billing,2024-02-13,2024-03-12,290,$90.00,\n",
    "delivered bill 2024-02-13 2024-03-13 290 kWh 90.0",
)  # fmt: skip

# San Diego Gas & Electric

_SDGE = "Name,PAT EXAMPLE\nTitle,CSV Export Electric Meter(s)\nMeter Number,Date,Start Time,Duration,Consumption,Generation,Net\n"
golden(
    "sdge", "fall",
    _SDGE + """"00012345","11/3/2024","12:00 AM","60","1.1000","","1.1000"
"00012345","11/3/2024","1:00 AM","60","1.2000","","1.2000"
"00012345","11/3/2024","1:00 AM","60","1.3000","0.1000","1.2000"
"00012345","11/3/2024","2:00 AM","60","1.4000","","1.4000"
""",
    """delivered 2024-11-03 07:00 60 1.1 kWh
delivered 2024-11-03 08:00 60 1.2 kWh
delivered 2024-11-03 09:00 60 1.3 kWh
delivered 2024-11-03 10:00 60 1.4 kWh
received 2024-11-03 09:00 60 0.1 kWh""",
    findings=("tables.energy.again",), meter="00012345",
)  # fmt: skip
golden(
    "sdge", "spring",  # quarters whose duration is wrong
    _SDGE + """"00012345","3/10/2024","1:30 AM","60","1.1000","0.0000","1.1000"
"00012345","3/10/2024","1:45 AM","60","1.2000","0.0000","1.2000"
"00012345","3/10/2024","3:00 AM","60","1.3000","0.0000","1.3000"
"00012345","3/10/2024","3:15 AM","60","1.4000","0.5000","0.9000"
""",
    """delivered 2024-03-10 09:30 15 1.1 kWh
delivered 2024-03-10 09:45 15 1.2 kWh
delivered 2024-03-10 10:00 15 1.3 kWh
delivered 2024-03-10 10:15 15 1.4 kWh
received 2024-03-10 09:30 15 0.0 kWh
received 2024-03-10 09:45 15 0.0 kWh
received 2024-03-10 10:00 15 0.0 kWh
received 2024-03-10 10:15 15 0.5 kWh""",
)  # fmt: skip
_SDGE_NET = '"Name : PAT EXAMPLE",,,,\n"UOM: kWh",,,,\nMeter Number,Date,Start Time,Duration,Consumed\n'
golden(
    "sdge-net", "fall",
    _SDGE_NET + """00012345,11/03/2024,12:00:00 AM,Hour,0.5
00012345,11/03/2024,01:00:00 AM,Hour,-0.25
00012345,11/03/2024,01:00:00 AM,Hour,0.75
00012345,11/03/2024,02:00:00 AM,Hour,1
""",
    """net 2024-11-03 07:00 60 0.5 kWh
net 2024-11-03 08:00 60 -0.25 kWh
net 2024-11-03 09:00 60 0.75 kWh
net 2024-11-03 10:00 60 1.0 kWh""",
    sheet=True,
)  # fmt: skip
golden(
    "sdge-net", "spring",
    _SDGE_NET + """00012345,03/10/2024,01:00:00 AM,Hour,0.5
00012345,03/10/2024,03:00:00 AM,Hour,-0.25
00012345,03/10/2024,04:00:00 AM,Hour,0.75
""",
    """net 2024-03-10 09:00 60 0.5 kWh
net 2024-03-10 10:00 60 -0.25 kWh
net 2024-03-10 11:00 60 0.75 kWh""",
    sheet=True,
)  # fmt: skip

# Southern California Edison: blocks of two flows

_SCE = """Energy Usage Information
"For location: 1 MAIN ST"

"Data for period starting: 2024-11-03 00:00:00\u00a0 for 24 hours"
"""
golden(
    "sce", "fall",
    _SCE + """Energy \u00a0Delivered time period,Usage \u00a0Delivered(Real energy in kilowatt-hours)(kWh),Reading quality
"2024-11-03 00:45:00 to 2024-11-03 01:00:00","1.100",""
"2024-11-03 01:00:00 to 2024-11-03 01:15:00","1.200",""
"2024-11-03 01:15:00 to 2024-11-03 01:30:00","1.300",""
"2024-11-03 01:30:00 to 2024-11-03 01:45:00","1.400",""
"2024-11-03 01:45:00 to 2024-11-03 01:00:00","1.500",""
"2024-11-03 01:00:00 to 2024-11-03 01:15:00","1.600",""
"2024-11-03 01:15:00 to 2024-11-03 01:30:00","1.700",""
"2024-11-03 01:30:00 to 2024-11-03 01:45:00","1.800",""
"2024-11-03 01:45:00 to 2024-11-03 02:00:00","1.900",""
"2024-11-03 02:00:00 to 2024-11-03 02:15:00","2.000",""

Energy \u00a0Received time period,Usage \u00a0Received(Real energy in kilowatt-hours)(kWh),Reading quality
"2024-11-03 00:45:00 to 2024-11-03 01:00:00","0.100",""
"2024-11-03 02:00:00 to 2024-11-03 02:15:00","0.200",""
""",
    """delivered 2024-11-03 07:45 15 1.1 kWh
delivered 2024-11-03 08:00 15 1.2 kWh
delivered 2024-11-03 08:15 15 1.3 kWh
delivered 2024-11-03 08:30 15 1.4 kWh
delivered 2024-11-03 08:45 15 1.5 kWh
delivered 2024-11-03 09:00 15 1.6 kWh
delivered 2024-11-03 09:15 15 1.7 kWh
delivered 2024-11-03 09:30 15 1.8 kWh
delivered 2024-11-03 09:45 15 1.9 kWh
delivered 2024-11-03 10:00 15 2.0 kWh
received 2024-11-03 07:45 15 0.1 kWh
received 2024-11-03 10:00 15 0.2 kWh""",
)  # fmt: skip
golden(
    "sce", "spring",
    _SCE + """Energy consumption time period,Usage(Real energy in kilowatt-hours),Reading quality
"2024-03-10 01:45:00 to 2024-03-10 03:00:00","1.100",""
"2024-03-10 03:00:00 to 2024-03-10 03:15:00","1.200",""
"2024-03-10 03:15:00 to 2024-03-10 03:30:00","1.300",""
""",
    """delivered 2024-03-10 09:45 15 1.1 kWh
delivered 2024-03-10 10:00 15 1.2 kWh
delivered 2024-03-10 10:15 15 1.3 kWh""",
)  # fmt: skip

# SmartHub: three blocks that do not name their flow

_HUB = "=====\n Usage Information\n For: 7\n=====\n\n"
_HUB_HEAD = " Interval Blockdata for period starting:, 2024-11-03\n Energy consumption time period,Usage(Real energy in kilowatt-hours),Events occurred\n"
golden(
    "smarthub", "fall",
    _HUB + _HUB_HEAD + """ 2024-11-03 00:00 to 2024-11-03 01:00,-0.100,,
 2024-11-03 01:00 to 2024-11-03 02:00,-0.200,,
 2024-11-03 01:00 to 2024-11-03 02:00,-0.300,,
 2024-11-03 02:00 to 2024-11-03 03:00,0.000,,
""" + _HUB_HEAD + """ 2024-11-03 00:00 to 2024-11-03 01:00,1.100,,
 2024-11-03 01:00 to 2024-11-03 02:00,1.200,,
 2024-11-03 01:00 to 2024-11-03 02:00,1.300,,
 2024-11-03 02:00 to 2024-11-03 03:00,1.400,,
""" + _HUB_HEAD + """ 2024-11-03 00:00 to 2024-11-03 01:00,1.000,,
 2024-11-03 01:00 to 2024-11-03 02:00,1.000,,
 2024-11-03 01:00 to 2024-11-03 02:00,1.000,,
 2024-11-03 02:00 to 2024-11-03 03:00,1.400,,
""",
    """delivered 2024-11-03 05:00 60 1.1 kWh
delivered 2024-11-03 06:00 60 1.2 kWh
delivered 2024-11-03 07:00 60 1.3 kWh
delivered 2024-11-03 08:00 60 1.4 kWh
received 2024-11-03 05:00 60 0.1 kWh
received 2024-11-03 06:00 60 0.2 kWh
received 2024-11-03 07:00 60 0.3 kWh
received 2024-11-03 08:00 60 0.0 kWh""",
    answers={"tz": CENTRAL}, findings=("tables.energy.again",),
)  # fmt: skip
golden(
    "smarthub", "spring",
    _HUB + _HUB_HEAD + """ 2024-03-10 01:00 to 2024-03-10 03:00,1.100,,
 2024-03-10 03:00 to 2024-03-10 04:00,1.200,,
 2024-03-10 04:00 to 2024-03-10 05:00,1.300,,
""",
    """delivered 2024-03-10 07:00 60 1.1 kWh
delivered 2024-03-10 08:00 60 1.2 kWh
delivered 2024-03-10 09:00 60 1.3 kWh""",
    answers={"tz": CENTRAL},
)  # fmt: skip

# DTE: 24 rows; the value of 01:00 is that of both hours

_DTE = '"Account Number","Meter Number","Day","Hour of Day","Hourly Total","Daily Total","Unit of Measurement"\r\n'
golden(
    "dte", "fall",
    _DTE + """"1","M7","11/03/2024","12:00 AM","1.1","7.0","KWH"
"1","M7","11/03/2024","01:00 AM","2.5","7.0","KWH"
"1","M7","11/03/2024","02:00 AM","1.4","7.0","KWH"
"1","M7","11/03/2024","03:00 AM","2.0","7.0","KWH"
""",
    """delivered 2024-11-03 04:00 60 1.1 kWh
delivered 2024-11-03 05:00 120 2.5 kWh
delivered 2024-11-03 07:00 60 1.4 kWh
delivered 2024-11-03 08:00 60 2.0 kWh""",
    findings=("tables.time.hours-summed",), meter="M7",
)  # fmt: skip
golden(
    "dte", "spring",
    _DTE + """"1","M7","03/10/2024","01:00 AM","1.1","3.6","KWH"
"1","M7","03/10/2024","02:00 AM","No Data","3.6","KWH"
"1","M7","03/10/2024","03:00 AM","1.2","3.6","KWH"
"1","M7","03/10/2024","04:00 AM","1.3","3.6","KWH"
""",
    """delivered 2024-03-10 06:00 60 1.1 kWh
delivered 2024-03-10 07:00 60 1.2 kWh
delivered 2024-03-10 08:00 60 1.3 kWh""",
)  # fmt: skip

# PPL: 96 columns, and only one 01:00 in fall

_PPL_HEAD = "Account Number,Meter Number,Date,Read Type,Min,Max,Total," + ",".join(
    f"{(h % 12) or 12}:{m:02} {'AM' if h < 12 else 'PM'}" for h in range(24) for m in (0, 15, 30, 45)
)
golden(
    "ppl", "fall",
    f"{_PPL_HEAD}\n1,2,2024-11-03,kWh Net,0,0,0,{ones()}\n1,2,2024-11-03,Delivered Usage kWh,0,0,0,"
    f"{ones(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)}\n",
    """delivered 2024-11-03 04:00 15 0.1 kWh
delivered 2024-11-03 04:15 15 0.2 kWh
delivered 2024-11-03 04:30 15 0.3 kWh
delivered 2024-11-03 04:45 15 0.4 kWh
delivered 2024-11-03 05:00 15 0.5 kWh
delivered 2024-11-03 05:15 15 0.6 kWh
delivered 2024-11-03 05:30 15 0.7 kWh
delivered 2024-11-03 05:45 15 0.8 kWh
delivered 2024-11-03 07:00 15 0.9 kWh""",
    sheet=True, more=87, findings=("tables.time.hour-lost",),
)  # fmt: skip
golden(
    "ppl", "spring",
    f"{_PPL_HEAD}\n1,2,2024-03-10,Received Usage kWh,0,0,0,"
    f"{ones(*[0.1] * 7, 0.2, '', '', '', '', 0.3, 0.4)}\n",
    "\n".join(f"received 2024-03-10 {t} 15 0.1 kWh" for t in ("05:00", "05:15", "05:30", "05:45", "06:00", "06:15", "06:30"))
    + """
received 2024-03-10 06:45 15 0.2 kWh
received 2024-03-10 07:00 15 0.3 kWh
received 2024-03-10 07:15 15 0.4 kWh""",
    sheet=True, more=82,
)  # fmt: skip

# Aclara: two resolutions side by side, of which one row has only the hour

_ACE = "Name,,\nCommodity,Electric\n\nStart Interval Date/Time,Meter Id,Usage,Units,Interval,Usage,Units,Interval\n"
golden(
    "aclara", "fall",
    _ACE + """11/03/2024 00:30,E9,-,-,-,0.1,kwh,15min
11/03/2024 00:45,E9,-,-,-,0.2,kwh,15min
11/03/2024 01:00,E9,1.8,kwh,60min,0.3,kwh,15min
11/03/2024 01:15,E9,-,-,-,0.4,kwh,15min
11/03/2024 01:30,E9,-,-,-,0.5,kwh,15min
11/03/2024 01:45,E9,-,-,-,0.6,kwh,15min
11/03/2024 02:00,E9,0.7,kwh,60min,0.7,kwh,15min
""",
    """delivered 2024-11-03 05:30 15 0.1 kWh
delivered 2024-11-03 05:45 15 0.2 kWh
delivered 2024-11-03 06:00 15 0.3 kWh
delivered 2024-11-03 06:15 15 0.4 kWh
delivered 2024-11-03 06:30 15 0.5 kWh
delivered 2024-11-03 06:45 15 0.6 kWh
delivered 2024-11-03 08:00 15 0.7 kWh""",
    answers={"tz": CENTRAL}, findings=("tables.time.hour-lost", "tables.energy.again"),
)  # fmt: skip
golden(
    "aclara", "spring",
    _ACE + """03/10/2024 01:30,E9,-,-,-,0.1,kwh,15min
03/10/2024 01:45,E9,-,-,-,0.2,kwh,15min
03/10/2024 02:00,E9,0.3,kwh,60min,0.3,kwh,15min
03/10/2024 03:00,E9,1.5,kwh,60min,-,-,-
03/10/2024 03:15,E9,-,-,-,0.4,kwh,15min
03/10/2024 03:30,E9,-,-,-,0.5,kwh,15min
03/10/2024 03:45,E9,-,-,-,0.6,kwh,15min
03/10/2024 04:00,E9,0.7,kwh,60min,0.7,kwh,15min
""",
    """delivered 2024-03-10 07:30 15 0.1 kWh
delivered 2024-03-10 07:45 15 0.2 kWh
delivered 2024-03-10 08:00 15 0.3 kWh
delivered 2024-03-10 08:15 15 0.4 kWh
delivered 2024-03-10 08:30 15 0.5 kWh
delivered 2024-03-10 08:45 15 0.6 kWh
delivered 2024-03-10 09:00 15 0.7 kWh""",
    answers={"tz": CENTRAL}, findings=("tables.time.moved", "tables.energy.again"),
)  # fmt: skip

# PG&E's business portal: a flag tells the two hours apart, and the time is the end

_PGE = "Historical intervals\nService Agreement ID,Date,Time,Usage Hour,Interval Number,Interval Length,Daylight Savings Flag,Direction of Energy,Unit of Measure,Usage Value,Estimate Flag\n"
golden(
    "pge-commercial", "fall",  # newest first
    _PGE + """0042,11/03/2024,03:00,3,1,60,N,D,kWh,1.4,A
0042,11/03/2024,02:00,2,1,60,N,D,kWh,1.3,A
0042,11/03/2024,02:00,2,1,60,Y,D,kWh,1.2,A
0042,11/03/2024,01:00,1,1,60,Y,D,kWh,1.1,A
0042,11/03/2024,02:00,2,1,60,N,R,kWh,0.3,A
""",
    """delivered 2024-11-03 07:00 60 1.1 kWh
delivered 2024-11-03 08:00 60 1.2 kWh
delivered 2024-11-03 09:00 60 1.3 kWh
delivered 2024-11-03 10:00 60 1.4 kWh
received 2024-11-03 09:00 60 0.3 kWh""",
    meter="0042",
)  # fmt: skip
golden(
    "pge-commercial", "spring",
    _PGE + """0042,03/10/2024,01:45,2,3,15,N,D,kWh,1.1,A
0042,03/10/2024,03:00,2,4,15,N,D,kWh,1.2,A
0042,03/10/2024,03:15,4,1,15,Y,D,kWh,1.3,A
0042,03/10/2024,03:30,4,2,15,Y,D,kWh,1.4,A
""",
    """delivered 2024-03-10 09:30 15 1.1 kWh
delivered 2024-03-10 09:45 15 1.2 kWh
delivered 2024-03-10 10:00 15 1.3 kWh
delivered 2024-03-10 10:15 15 1.4 kWh""",
)  # fmt: skip

# BC Hydro, with and without inflow and outflow

_BC = '"Account Holder","Account Number","Meter Number","Interval Start Date/Time",'
golden(
    "bc-hydro", "fall",
    _BC + """"Inflow (kWh)","Outflow (kWh)","Net Consumption (kWh)","Peak Demand (kW)","Estimated Usage"
"PAT EXAMPLE",'1,'77,"2024-11-03 00:00","1.1","0.1","1.0","N/A",""
"PAT EXAMPLE",'1,'77,"2024-11-03 01:00","1.2","0.2","1.0","N/A",""
"PAT EXAMPLE",'1,'77,"2024-11-03 01:00","1.3","0.3","1.0","N/A","X"
"PAT EXAMPLE",'1,'77,"2024-11-03 02:00","1.4","","1.4","N/A",""
""",
    """delivered 2024-11-03 07:00 60 1.1 kWh
delivered 2024-11-03 08:00 60 1.2 kWh
delivered 2024-11-03 09:00 60 1.3 kWh
delivered 2024-11-03 10:00 60 1.4 kWh
received 2024-11-03 07:00 60 0.1 kWh
received 2024-11-03 08:00 60 0.2 kWh
received 2024-11-03 09:00 60 0.3 kWh""",
    findings=("tables.energy.again",), meter="77",
)  # fmt: skip
golden(
    "bc-hydro", "spring",  # days
    _BC + """"Inflow (kWh)","Outflow (kWh)","Net Consumption (kWh)","Peak Demand (kW)","Estimated Usage"
"PAT EXAMPLE",'1,'77,"2024-03-09","11","1","10","N/A",""
"PAT EXAMPLE",'1,'77,"2024-03-10","12","2","10","N/A",""
""",
    """delivered 2024-03-09 08:00 1440 11.0 kWh
delivered 2024-03-10 08:00 1380 12.0 kWh
received 2024-03-09 08:00 1440 1.0 kWh
received 2024-03-10 08:00 1380 2.0 kWh""",
)  # fmt: skip
golden(
    "bc-hydro-net", "fall",
    _BC + """"Net Consumption (kWh)","Demand (kW)","Power Factor (%)","Estimated Usage"
"PAT EXAMPLE",'1,'77,"2024-11-03 00:00","1.1","2","98",""
"PAT EXAMPLE",'1,'77,"2024-11-03 01:00","-1.2","2","98",""
"PAT EXAMPLE",'1,'77,"2024-11-03 01:00","1.3","2","98",""
"PAT EXAMPLE",'1,'77,"2024-11-03 02:00","N/A","N/A","N/A",""
""",
    """net 2024-11-03 07:00 60 1.1 kWh
net 2024-11-03 08:00 60 -1.2 kWh
net 2024-11-03 09:00 60 1.3 kWh
net 2024-11-03 10:00 60 nan kWh""",
)  # fmt: skip
golden(
    "bc-hydro-net", "spring",
    _BC + """"Net Consumption (kWh)","Demand (kW)","Power Factor (%)","Estimated Usage"
"PAT EXAMPLE",'1,'77,"2024-03-10 01:00","1.1","2","98","X"
"PAT EXAMPLE",'1,'77,"2024-03-10 03:00","1.2","2","98",""
"PAT EXAMPLE",'1,'77,"2024-03-10 04:00","1.3","2","98",""
""",
    """net 2024-03-10 09:00 60 1.1 kWh
net 2024-03-10 10:00 60 1.2 kWh
net 2024-03-10 11:00 60 1.3 kWh""",
)  # fmt: skip

# UtilityAPI: the zone is in a column

_API = "meter_uid,utility,interval_start,interval_end,interval_kWh,net_kWh,interval_timezone\n"
golden(
    "utilityapi", "fall",
    _API + """7,DEMO,11/3/2024 0:00,11/3/2024 1:00,1.1,1.1,America/New_York
7,DEMO,11/3/2024 1:00,11/3/2024 2:00,1.2,1.2,America/New_York
7,DEMO,11/3/2024 1:00,11/3/2024 2:00,1.3,1.3,America/New_York
7,DEMO,11/3/2024 2:00,11/3/2024 3:00,1.4,1.4,America/New_York
""",
    """delivered 2024-11-03 04:00 60 1.1 kWh
delivered 2024-11-03 05:00 60 1.2 kWh
delivered 2024-11-03 06:00 60 1.3 kWh
delivered 2024-11-03 07:00 60 1.4 kWh""",
    findings=("tables.energy.again",),
)  # fmt: skip
golden(
    "utilityapi", "spring",
    _API + """7,DEMO,3/10/2024 1:00,3/10/2024 3:00,1.1,1.1,America/New_York
7,DEMO,3/10/2024 3:00,3/10/2024 4:00,1.2,1.2,America/New_York
7,DEMO,3/10/2024 4:00,3/10/2024 5:00,1.3,1.3,America/New_York
""",
    """delivered 2024-03-10 06:00 60 1.1 kWh
delivered 2024-03-10 07:00 60 1.2 kWh
delivered 2024-03-10 08:00 60 1.3 kWh""",
)  # fmt: skip

# Duke Energy: the last minute belongs to the interval

golden(
    "duke", "fall",
    """Start Date,End Date,Usage(kWh)
11/03/2024 00:00,11/03/2024 00:59,1.1
11/03/2024 01:00,11/03/2024 01:59,1.2
11/03/2024 01:00,11/03/2024 01:59,1.3
11/03/2024 02:00,11/03/2024 02:59,1.4
""",
    """delivered 2024-11-03 04:00 60 1.1 kWh
delivered 2024-11-03 05:00 60 1.2 kWh
delivered 2024-11-03 06:00 60 1.3 kWh
delivered 2024-11-03 07:00 60 1.4 kWh""",
    answers={"tz": EASTERN},
)  # fmt: skip
golden(
    "duke", "spring",
    """Start Date,End Date,Usage(kWh)
03/10/2024 01:30,03/10/2024 01:59,1.1
03/10/2024 03:00,03/10/2024 03:29,1.2
03/10/2024 03:30,03/10/2024 03:59,1.3
""",
    """delivered 2024-03-10 06:30 30 1.1 kWh
delivered 2024-03-10 07:00 30 1.2 kWh
delivered 2024-03-10 07:30 30 1.3 kWh""",
    answers={"tz": EASTERN},
)  # fmt: skip

# Bills: whole days

_XCEL = "Bill Date,Electric Charges,Gas Charges,Electric Usage (kWh),Gas Usage (Therms),Total Charges\n"
golden(
    "xcel-bills", "fall",
    _XCEL + '"11/24/2024","89.45","23.32","450","12","112.77"\n"10/26/2024","102.34","24.17","520","13","126.51"\n',
    """delivered bill NaT 2024-10-26 520 kWh 102.34
delivered bill 2024-10-26 2024-11-24 450 kWh 89.45
delivered bill NaT 2024-10-26 13 therm 24.17
delivered bill 2024-10-26 2024-11-24 12 therm 23.32""",
)  # fmt: skip
golden(
    "xcel-bills", "spring",
    _XCEL + '"03/24/2024","89.45","23.32","450","12","112.77"\n"02/26/2024","102.34","24.17","520","13","126.51"\n',
    """delivered bill NaT 2024-02-26 520 kWh 102.34
delivered bill 2024-02-26 2024-03-24 450 kWh 89.45
delivered bill NaT 2024-02-26 13 therm 24.17
delivered bill 2024-02-26 2024-03-24 12 therm 23.32""",
)  # fmt: skip
_PORTFOLIO = "Meters\nMeter Name,Meter Type,Start Date,End Date,Usage/Quantity,Usage Units,Cost ($)\n"
golden(
    "portfolio-manager", "fall",
    _PORTFOLIO + "E,Electric,11/01/2024,11/30/2024,100,kWh (thousand Watt-hours),12.5\n"
    "E,Electric,12/01/2024,12/31/2024,90,kWh (thousand Watt-hours),Not Available\n",
    """delivered bill 2024-11-01 2024-12-01 100 kWh 12.5
delivered bill 2024-12-01 2025-01-01 90 kWh nan""",
)  # fmt: skip
golden(
    "portfolio-manager", "spring",
    _PORTFOLIO + "E,Electric,03/01/2024,04/01/2024,100,kWh (thousand Watt-hours),12.5\n"
    "E,Electric,04/01/2024,05/01/2024,90,kWh (thousand Watt-hours),11\n",
    """delivered bill 2024-03-01 2024-04-01 100 kWh 12.5
delivered bill 2024-04-01 2024-05-01 90 kWh 11.0""",
)  # fmt: skip

# Wide tables of the eastern United States

_COMED = "INTERVAL USAGE DATA\nCustomer,METER_NBR,RECORDING_DT,CHANNEL_NBR,"
golden(
    "comed-wide", "fall",  # half-hours, the repeated hour in columns 49 and 50
    _COMED + ",".join(f"KW_INTERVAL_{i}" for i in range(1, 51)) + f"\nPAT EXAMPLE,M1,11/03/2024,1,"
    f"{ones(0.1, 0.2, 0.3, 0.4, 0.5, of=48)},0.6,0.7\n",
    """delivered 2024-11-03 05:00 30 0.1 kW
delivered 2024-11-03 05:30 30 0.2 kW
delivered 2024-11-03 06:00 30 0.3 kW
delivered 2024-11-03 06:30 30 0.4 kW
delivered 2024-11-03 07:00 30 0.6 kW
delivered 2024-11-03 07:30 30 0.7 kW
delivered 2024-11-03 08:00 30 0.5 kW""",
    more=43, meter="M1",
)  # fmt: skip
golden(
    "comed-wide", "spring",
    _COMED + ",".join(f"KW_INTERVAL_{i}" for i in range(1, 51)) + f"\nPAT EXAMPLE,M1,03/10/2024,1,"
    f"{ones(0.1, 0.2, 0.3, 0.4, '', '', 0.5, of=48)},,\n",
    """delivered 2024-03-10 06:00 30 0.1 kW
delivered 2024-03-10 06:30 30 0.2 kW
delivered 2024-03-10 07:00 30 0.3 kW
delivered 2024-03-10 07:30 30 0.4 kW
delivered 2024-03-10 08:00 30 0.5 kW""",
    more=41,
)  # fmt: skip
_ENDS = quarters(24, "0100", "Interval Ending {0}")
_EDI = f"Report Period Date,Measurement Unit,{','.join([*_ENDS[:2], 'Interval Ending 0200 DS', *_ENDS[2:]])}\n"
golden(
    "edi-867", "fall",  # two rows of one date complete each other, and another unit is left out
    f"{_EDI}20241103,KH,0.1,0.2,0.3,0.4,{','.join(['1'] * 10)}{',' * 11}\n"
    f"20241103,KH,{',' * 14}{','.join(['1'] * 11)}\n20241103,K3,{ones(of=25)}\n",
    """delivered 2024-11-03 04:00 60 0.1 kWh
delivered 2024-11-03 05:00 60 0.2 kWh
delivered 2024-11-03 06:00 60 0.3 kWh
delivered 2024-11-03 07:00 60 0.4 kWh""",
    answers={"tz": EASTERN}, more=21,
)  # fmt: skip
golden(
    "edi-867", "spring",  # hour ending 03:00 does not exist
    f"{_EDI}20240310,KH,0.1,0.2,,,0.3,{ones(of=20)}\n",
    """delivered 2024-03-10 05:00 60 0.1 kWh
delivered 2024-03-10 06:00 60 0.2 kWh
delivered 2024-03-10 07:00 60 0.3 kWh""",
    answers={"tz": EASTERN}, more=20,
)  # fmt: skip
golden(
    "baltimore", "fall",
    """RdgDate,EndTime,Kwh
11/03/2024,45,1.1
11/03/2024,100,1.2
11/03/2024,115,1.3
11/03/2024,130,1.4
11/03/2024,145,1.5
11/03/2024,200,1.6
11/03/2024,115,1.7
11/03/2024,130,1.8
11/03/2024,145,1.9
11/03/2024,200,2.0
11/03/2024,215,2.1
""",
    """delivered 2024-11-03 04:30 15 1.1 kWh
delivered 2024-11-03 04:45 15 1.2 kWh
delivered 2024-11-03 05:00 15 1.3 kWh
delivered 2024-11-03 05:15 15 1.4 kWh
delivered 2024-11-03 05:30 15 1.5 kWh
delivered 2024-11-03 05:45 15 1.6 kWh
delivered 2024-11-03 06:00 15 1.7 kWh
delivered 2024-11-03 06:15 15 1.8 kWh
delivered 2024-11-03 06:30 15 1.9 kWh
delivered 2024-11-03 06:45 15 2.0 kWh
delivered 2024-11-03 07:00 15 2.1 kWh""",
)  # fmt: skip
golden(
    "baltimore", "spring",  # hours, named by their last minute
    "ReadDate,EndTime,Kwh\n03/10/2024,59,1.1\n03/10/2024,159,1.2\n03/10/2024,359,1.3\n03/10/2024,459,1.4\n",
    """delivered 2024-03-10 05:00 60 1.1 kWh
delivered 2024-03-10 06:00 60 1.2 kWh
delivered 2024-03-10 07:00 60 1.3 kWh
delivered 2024-03-10 08:00 60 1.4 kWh""",
)  # fmt: skip

# Wide tables of Texas

_ESI = "10443720000000042"
golden(
    "texas-wide", "fall",  # 25 hours in order
    f"ESI ID,Date,{','.join(f'HE{i}' for i in range(1, 26))}\n{_ESI},11/03/2024,{ones(0.1, 0.2, 0.3, 0.4, of=25)}\n",
    """delivered 2024-11-03 05:00 60 0.1 kWh
delivered 2024-11-03 06:00 60 0.2 kWh
delivered 2024-11-03 07:00 60 0.3 kWh
delivered 2024-11-03 08:00 60 0.4 kWh""",
    answers={"unit": "kWh", "repeat": "in order"}, more=21, meter=_ESI,
)  # fmt: skip
golden(
    "texas-wide", "spring",
    f"ESIID,USAGE_DATE,{','.join(f'INT{i}' for i in range(1, 101))}\n"
    f"{_ESI},03/10/2024,{ones(*[1] * 6, 0.1, 0.2, *[''] * 4, 0.3, 0.4)},,,,\n",
    "\n".join(f"delivered 2024-03-10 {t} 15 1.0 kWh" for t in ("06:00", "06:15", "06:30", "06:45", "07:00", "07:15"))
    + """
delivered 2024-03-10 07:30 15 0.1 kWh
delivered 2024-03-10 07:45 15 0.2 kWh
delivered 2024-03-10 08:00 15 0.3 kWh
delivered 2024-03-10 08:15 15 0.4 kWh""",
    answers={"unit": "kWh"}, more=82,
)  # fmt: skip

# Prices, in USD/kWh

_RTM = (
    "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPointName,SettlementPointType,SettlementPointPrice,DSTFlag\n"
)
golden(
    "ercot-real-time", "fall",
    _RTM + """11/03/2024,1,4,HB_NORTH,HU,10,N
11/03/2024,2,1,HB_NORTH,HU,20,N
11/03/2024,2,1,HB_NORTH,HU,30,Y
11/03/2024,3,1,HB_NORTH,HU,40,N
""",
    """unknown 2024-11-03 05:45 15 0.01 USD/kWh
unknown 2024-11-03 06:00 15 0.02 USD/kWh
unknown 2024-11-03 07:00 15 0.03 USD/kWh
unknown 2024-11-03 08:00 15 0.04 USD/kWh""",
)  # fmt: skip
golden(
    "ercot-real-time", "spring",
    _RTM + """03/10/2024,2,4,HB_NORTH,HU,10,N
03/10/2024,4,1,HB_NORTH,HU,20,N
03/10/2024,4,2,HB_NORTH,HU,-30,N
""",
    """unknown 2024-03-10 07:45 15 0.01 USD/kWh
unknown 2024-03-10 08:00 15 0.02 USD/kWh
unknown 2024-03-10 08:15 15 -0.03 USD/kWh""",
)  # fmt: skip
golden(
    "ercot-day-ahead", "fall",  # the second of the two hours is first in the file
    """DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,DSTFlag
11/03/2024,01:00,LZ_WEST,10,N
11/03/2024,02:00,LZ_WEST,30,Y
11/03/2024,02:00,LZ_WEST,20,N
11/03/2024,03:00,LZ_WEST,40,N
""",
    """unknown 2024-11-03 05:00 60 0.01 USD/kWh
unknown 2024-11-03 06:00 60 0.02 USD/kWh
unknown 2024-11-03 07:00 60 0.03 USD/kWh
unknown 2024-11-03 08:00 60 0.04 USD/kWh""",
)  # fmt: skip
golden(
    "ercot-day-ahead", "spring",
    """Delivery Date,Hour Ending,Repeated Hour Flag,Settlement Point,Settlement Point Price
03/10/2024,01:00,N,LZ_WEST,10
03/10/2024,02:00,N,LZ_WEST,20
03/10/2024,04:00,N,LZ_WEST,30
03/10/2024,24:00,N,LZ_WEST,40
""",
    """unknown 2024-03-10 06:00 60 0.01 USD/kWh
unknown 2024-03-10 07:00 60 0.02 USD/kWh
unknown 2024-03-10 08:00 60 0.03 USD/kWh
unknown 2024-03-11 04:00 60 0.04 USD/kWh""",
    sheet=True,
)  # fmt: skip
_LMP = "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,NODE,LMP_TYPE,MW\n"
golden(
    "caiso-lmp", "fall",
    _LMP + """2024-11-03T08:00:00-00:00,2024-11-03T09:00:00-00:00,2024-11-03,DLAP_PGAE,LMP,20
2024-11-03T09:00:00-00:00,2024-11-03T10:00:00-00:00,2024-11-03,DLAP_PGAE,LMP,30
2024-11-03T09:00:00-00:00,2024-11-03T10:00:00-00:00,2024-11-03,DLAP_PGAE,MCC,99
""",
    """unknown 2024-11-03 08:00 60 0.02 USD/kWh
unknown 2024-11-03 09:00 60 0.03 USD/kWh""",
)  # fmt: skip
golden(
    "caiso-lmp", "spring",
    _LMP + """2024-03-10T09:00:00-00:00,2024-03-10T10:00:00-00:00,2024-03-10,DLAP_PGAE,LMP,20
2024-03-10T10:00:00-00:00,2024-03-10T11:00:00-00:00,2024-03-10,DLAP_PGAE,LMP,30
""",
    """unknown 2024-03-10 09:00 60 0.02 USD/kWh
unknown 2024-03-10 10:00 60 0.03 USD/kWh""",
)  # fmt: skip


# Hydro-Québec, and Philadelphia Water

golden(
    "hydro-quebec", "fall",
    """Contrat;Date et heure;kWh;Code de consommation;Température moyenne (°C);Code de température
7;2024-11-03 00:00:00;1,1;R;5;R
7;2024-11-03 01:00:00;1,2;R;5;R
7;2024-11-03 01:00:00;1,3;R;5;R
7;2024-11-03 02:00:00;1,4;R;5;R
""",
    """delivered 2024-11-03 04:00 60 1.1 kWh
delivered 2024-11-03 05:00 60 1.2 kWh
delivered 2024-11-03 06:00 60 1.3 kWh
delivered 2024-11-03 07:00 60 1.4 kWh""",
)  # fmt: skip
golden(
    "hydro-quebec", "spring",  # two tariffs; Windows-1252 in the test of encodings
    """Contrat;Date et heure;kWh bas;kWh Haut
7;2024-03-10 01:00:00;1,1;0
7;2024-03-10 03:00:00;1,2;0
7;2024-03-10 04:00:00;0;1,3
""",
    """delivered 2024-03-10 06:00 60 0.0 kWh
delivered 2024-03-10 07:00 60 0.0 kWh
delivered 2024-03-10 08:00 60 1.3 kWh
delivered 2024-03-10 06:00 60 1.1 kWh
delivered 2024-03-10 07:00 60 1.2 kWh
delivered 2024-03-10 08:00 60 0.0 kWh""",
)  # fmt: skip
golden(
    "philadelphia-water", "fall",
    "Access Code, Time Interval, Consumption, Units\n1, 11/02/2024, 61, Gallons\n1, 11/03/2024, 62, Gallons\n"
    "1, 11/04/2024, 63, Gallons\n",
    """delivered 2024-11-02 04:00 1440 61.0 gal
delivered 2024-11-03 04:00 1500 62.0 gal
delivered 2024-11-04 05:00 1440 63.0 gal""",
)  # fmt: skip
golden(
    "philadelphia-water", "spring",
    "Access Code, Time Interval, Consumption, Units\n1, 03/09/2024, 61, Gallons\n1, 03/10/2024, 62, Gallons\n",
    """delivered 2024-03-09 05:00 1440 61.0 gal
delivered 2024-03-10 05:00 1380 62.0 gal""",
)  # fmt: skip

# Europe: clocks change at 01:00 UTC on 2024-10-27 and 2024-03-31

_ESB = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\r\n"
golden(
    "esb-hdf", "fall",  # newest first; the ends 01:00 and 01:30 come twice, since 02:00 becomes 01:00
    _ESB + """10,20,0.700,Active Import Interval (kWh),27-10-2024 02:00
10,20,0.600,Active Import Interval (kWh),27-10-2024 01:30
10,20,0.500,Active Import Interval (kWh),27-10-2024 01:00
10,20,0.400,Active Import Interval (kWh),27-10-2024 01:30
10,20,0.300,Active Import Interval (kWh),27-10-2024 01:00
10,20,0.200,Active Import Interval (kWh),27-10-2024 00:30
""",
    """delivered 2024-10-26 23:00 30 0.2 kWh
delivered 2024-10-26 23:30 30 0.3 kWh
delivered 2024-10-27 00:00 30 0.4 kWh
delivered 2024-10-27 00:30 30 0.5 kWh
delivered 2024-10-27 01:00 30 0.6 kWh
delivered 2024-10-27 01:30 30 0.7 kWh""",
    meter="10",
)  # fmt: skip
golden(
    "esb-hdf", "spring",  # power before July 2024
    _ESB + """10,20,0.400,Active Import Interval (kW),31-03-2024 02:30
10,20,0.300,Active Import Interval (kW),31-03-2024 02:00
10,20,0.200,Active Import Interval (kW),31-03-2024 00:30
10,20,0.100,Active Export Interval (kW),31-03-2024 00:30
""",
    """delivered 2024-03-31 00:00 30 0.2 kW
delivered 2024-03-31 00:30 30 0.3 kW
delivered 2024-03-31 01:00 30 0.4 kW
received 2024-03-31 00:00 30 0.1 kW""",
)  # fmt: skip
_LINKY = (
    "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;Grandeur metier;Etape metier;Unite;Pas en minutes\n"
    "90;Courbe de charge;26/10/2024;28/10/2024;Energie active;{0};Comptage Brut;W;\nHorodate;Valeur\n"
)
golden(
    "enedis", "fall",  # the step changes from 30 to 60 minutes
    _LINKY.format("Consommation") + """2024-10-27T02:00:00+02:00;100
2024-10-27T02:30:00+02:00;200
2024-10-27T02:00:00+01:00;300
2024-10-27T02:30:00+01:00;
2024-10-27T03:00:00+01:00;400
2024-10-27T04:00:00+01:00;500
2024-10-27T05:00:00+01:00;600
2024-10-27T06:00:00+01:00;700
""",
    """delivered 2024-10-26 23:30 30 0.1 kW
delivered 2024-10-27 00:00 30 0.2 kW
delivered 2024-10-27 00:30 30 0.3 kW
delivered 2024-10-27 01:00 30 nan kW
delivered 2024-10-27 01:30 30 0.4 kW
delivered 2024-10-27 02:00 60 0.5 kW
delivered 2024-10-27 03:00 60 0.6 kW
delivered 2024-10-27 04:00 60 0.7 kW""",
    meter="90",
)  # fmt: skip
golden(
    "enedis", "spring",
    _LINKY.format("Production") + """2024-03-31T01:30:00+01:00;100
2024-03-31T03:00:00+02:00;200
2024-03-31T03:30:00+02:00;300
""",
    """received 2024-03-31 00:00 30 0.1 kW
received 2024-03-31 00:30 30 0.2 kW
received 2024-03-31 01:00 30 0.3 kW""",
)  # fmt: skip
_FLUVIUS = "From (date);From (time);Until (date);Until (time);EAN code;Meter;Meter type;Register;Volume;Unit;Validation status\n"
golden(
    "fluvius", "fall",  # the labels of the two hours alternate
    _FLUVIUS + """27-10-2024;01:45:00;27-10-2024;02:00:00;="54";1;Digital;Offtake Night;0,1;kWh;Read
27-10-2024;02:00:00;27-10-2024;02:15:00;="54";1;Digital;Offtake Night;0,2;kWh;Read
27-10-2024;02:00:00;27-10-2024;02:15:00;="54";1;Digital;Offtake Night;0,6;kWh;Read
27-10-2024;02:15:00;27-10-2024;02:30:00;="54";1;Digital;Offtake Night;0,3;kWh;Read
27-10-2024;02:15:00;27-10-2024;02:30:00;="54";1;Digital;Offtake Night;0,7;kWh;Read
27-10-2024;02:30:00;27-10-2024;02:45:00;="54";1;Digital;Offtake Night;0,4;kWh;Read
27-10-2024;02:30:00;27-10-2024;02:45:00;="54";1;Digital;Offtake Night;0,8;kWh;Read
27-10-2024;02:45:00;27-10-2024;02:00:00;="54";1;Digital;Offtake Night;0,5;kWh;Read
27-10-2024;02:45:00;27-10-2024;03:00:00;="54";1;Digital;Offtake Night;0,9;kWh;Read
27-10-2024;03:00:00;27-10-2024;03:15:00;="54";1;Digital;Offtake Night;;kWh;No consumption
""",
    "\n".join(
        f"delivered 2024-10-{at} 15 {v} kWh"
        for at, v in zip(
            ("26 23:45", "27 00:00", "27 00:15", "27 00:30", "27 00:45", "27 01:00", "27 01:15", "27 01:30", "27 01:45"),
            (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), strict=True,
        )
    ) + "\ndelivered 2024-10-27 02:00 15 nan kWh",
    meter="54",
)  # fmt: skip
golden(
    "fluvius", "spring",  # day and night are one flow; gas twice, as energy and as volume
    """Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;Register;Volume;Eenheid;Validatiestatus;Omschrijving
31-03-2024;01:45:00;31-03-2024;03:00:00;="54";1;Digitaal;Afname Nacht;0,1;kWh;Uitgelezen;
31-03-2024;03:00:00;31-03-2024;03:15:00;="54";1;Digitaal;Afname Dag;0,2;kWh;Geschat;
31-03-2024;03:15:00;31-03-2024;03:30:00;="54";1;Digitaal;Injectie Dag;0,3;kWh;Uitgelezen;
""",
    """delivered 2024-03-31 00:45 15 0.1 kWh
delivered 2024-03-31 01:00 15 0.2 kWh
received 2024-03-31 01:15 15 0.3 kWh""",
)  # fmt: skip
_DANISH = "Målepunkt id;Fra dato;Til dato;Mængde;Måleenhed;Kvalitet;Type;\n"
golden(
    "eloverblik", "fall",
    _DANISH + """57;2024-10-27 01.00;2024-10-27 02.00;0,1;KWH;Målt;Tidsserie;
57;2024-10-27 02.00;2024-10-27 02.00;0,2;KWH;Målt;Tidsserie;
57;2024-10-27 02.00;2024-10-27 03.00;0,3;KWH;Målt;Tidsserie;
57;2024-10-27 03.00;2024-10-27 04.00;0,4;KWH;Målt;Tidsserie;
57;2024-10-01 00.00;2024-12-31 00.00;99;KWH;Målt;Måling;
""",
    """delivered 2024-10-26 23:00 60 0.1 kWh
delivered 2024-10-27 00:00 60 0.2 kWh
delivered 2024-10-27 01:00 60 0.3 kWh
delivered 2024-10-27 02:00 60 0.4 kWh""",
    answers={"flow": "delivered"}, meter="57",
)  # fmt: skip
golden(
    "eloverblik", "spring",
    """MålepunktsID;Fra_dato;Til_dato;Mængde;Måleenhed;Kvalitet;Type
57;31-03-2024 01:00:00;31-03-2024 03:00:00;0,1;KWH;Målt;Tidsserie
57;31-03-2024 03:00:00;31-03-2024 04:00:00;0,2;KWH;Målt;Tidsserie
57;31-03-2024 04:00:00;31-03-2024 05:00:00;0,3;KWH;Målt;Tidsserie
""",
    """delivered 2024-03-31 00:00 60 0.1 kWh
delivered 2024-03-31 01:00 60 0.2 kWh
delivered 2024-03-31 02:00 60 0.3 kWh""",
    answers={"flow": "delivered"},
)  # fmt: skip
_LINZ = "Datum von;Datum bis;Energiemenge in kWh;Ersatzwert\n"
golden(
    "linznetz", "fall",
    _LINZ + """27.10.2024 02:30;27.10.2024 02:45;0,1;
27.10.2024 02:45;27.10.2024 02:00;0,2;x
27.10.2024 02:00;27.10.2024 02:15;0,3;
27.10.2024 02:15;27.10.2024 02:30;0,4;
27.10.2024 02:30;27.10.2024 02:45;0,5;
27.10.2024 02:45;27.10.2024 03:00;0,6;
27.10.2024 03:00;27.10.2024 03:15;0,7;
""",
    """delivered 2024-10-27 00:30 15 0.1 kWh
delivered 2024-10-27 00:45 15 0.2 kWh
delivered 2024-10-27 01:00 15 0.3 kWh
delivered 2024-10-27 01:15 15 0.4 kWh
delivered 2024-10-27 01:30 15 0.5 kWh
delivered 2024-10-27 01:45 15 0.6 kWh
delivered 2024-10-27 02:00 15 0.7 kWh""",
    answers={"flow": "delivered"},
)  # fmt: skip
golden(
    "linznetz", "spring",
    _LINZ + "31.03.2024 01:45;31.03.2024 03:00;0,1;\n31.03.2024 03:00;31.03.2024 03:15;0,2;\n31.03.2024 03:15;31.03.2024 03:30;0,3;\n",
    """delivered 2024-03-31 00:45 15 0.1 kWh
delivered 2024-03-31 01:00 15 0.2 kWh
delivered 2024-03-31 01:15 15 0.3 kWh""",
    answers={"flow": "delivered"},
)  # fmt: skip
golden(
    "octopus", "fall",
    """Consumption (kWh), Start, End
0.1, 2024-10-27T00:30:00+01:00, 2024-10-27T01:00:00+01:00
0.2, 2024-10-27T01:30:00+01:00, 2024-10-27T01:00:00+00:00
0.3, 2024-10-27T01:00:00+00:00, 2024-10-27T01:30:00+00:00
""",
    """delivered 2024-10-26 23:30 30 0.1 kWh
delivered 2024-10-27 00:30 30 0.2 kWh
delivered 2024-10-27 01:00 30 0.3 kWh""",
)  # fmt: skip
golden(
    "octopus", "spring",
    """Consumption (m³), Estimated Cost Inc. Tax (p), Standing Charge Inc. Tax (p), Start, End
0.1, 1.5, 20, 2024-03-31T00:30:00+00:00, 2024-03-31T02:00:00+01:00
0.2, 2.5, 20, 2024-03-31T02:00:00+01:00, 2024-03-31T02:30:00+01:00
""",
    """delivered 2024-03-31 00:30 30 0.1 m3
delivered 2024-03-31 01:00 30 0.2 m3""",
)  # fmt: skip
golden(
    "engie-nl", "fall",
    '''"Datum","EAN","Verbruik","Type","Piek"
"2024-10-27T02:00:00+02:00","87","0.1","Elektriciteit","Laag"
"2024-10-27T02:00:00+01:00","87","0.2","Elektriciteit","Laag"
"2024-10-27T02:00:00+01:00","87","0.3","Teruglevering","Laag"
"2024-10-27T02:00:00+01:00","88","0.4","Gas",""
''',
    """delivered 2024-10-27 00:00 60 0.1 kWh
delivered 2024-10-27 01:00 60 0.2 kWh
received 2024-10-27 01:00 60 0.3 kWh
delivered 2024-10-27 01:00 60 0.4 m3""",
)  # fmt: skip
golden(
    "engie-nl", "spring",
    '''"Datum","EAN","Verbruik","Type","Piek"
"2024-03-31T01:00:00+01:00","87","0.1","Elektriciteit","Laag"
"2024-03-31T03:00:00+02:00","87","0.2","Elektriciteit","Laag"
''',
    """delivered 2024-03-31 00:00 60 0.1 kWh
delivered 2024-03-31 01:00 60 0.2 kWh""",
)  # fmt: skip
_GIORNO = "Giorno;" + ";".join(
    f'"{t // 60:02}:{t % 60:02}-{(t + 15) // 60 % 24:02}:{(t + 15) % 60:02}"' for t in range(0, 1440, 15)
)
golden(
    "e-distribuzione", "fall",
    f"{_GIORNO}\n27/10/2024;{';'.join(['0,1'] * 8 + ['0,2'] * 4)};{ones(of=84).replace(',', ';')}\n",
    "\n".join(f"delivered 2024-10-{at} 15 0.1 kWh" for at in ("26 22:00", "26 22:15", "26 22:30", "26 22:45", "26 23:00", "26 23:15", "26 23:30", "26 23:45"))
    + "\n"
    + "\n".join(f"delivered 2024-10-27 00:{m} 15 0.2 kWh" for m in ("00", "15", "30", "45")),
    answers={"flow": "delivered", "repeated_hour": "lost"}, more=84, findings=("tables.time.hour-lost",),
)  # fmt: skip
golden(
    "e-distribuzione", "spring",
    f"{_GIORNO}\n31/03/2024;{';'.join(['0,1'] * 8 + [''] * 4)};{ones(of=84).replace(',', ';')}\n",
    "\n".join(f"delivered 2024-03-{at} 15 0.1 kWh" for at in ("30 23:00", "30 23:15", "30 23:30", "30 23:45", "31 00:00", "31 00:15", "31 00:30", "31 00:45")),
    answers={"flow": "delivered"}, more=84,
)  # fmt: skip
golden(
    "datadis", "fall",  # hours ending: 03:00 comes twice
    """CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion;Energia_vertida_kWh
ES1;2024/10/27;02:00;0,1;Real;0,5
ES1;2024/10/27;03:00;0,2;Real;
ES1;2024/10/27;03:00;0,3;Real;
ES1;2024/10/27;04:00;0,4;Estimada;
ES1;2024/10/27;24:00;0,5;Real;
""",
    """delivered 2024-10-26 23:00 60 0.1 kWh
delivered 2024-10-27 00:00 60 0.2 kWh
delivered 2024-10-27 01:00 60 0.3 kWh
delivered 2024-10-27 02:00 60 0.4 kWh
delivered 2024-10-27 22:00 60 0.5 kWh
received 2024-10-26 23:00 60 0.5 kWh""",
)  # fmt: skip
golden(
    "datadis", "spring",
    "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\nES1;31/03/2024;02:00;0,1;R\nES1;31/03/2024;04:00;0,2;R\nES1;31/03/2024;05:00;0,3;R\n",
    """delivered 2024-03-31 00:00 60 0.1 kWh
delivered 2024-03-31 01:00 60 0.2 kWh
delivered 2024-03-31 02:00 60 0.3 kWh""",
)  # fmt: skip
golden(
    "e-redes", "fall",  # 01:15 to 02:00 end in both hours, and alternate
    "Dados Gerais\nCPE,PT1\n\nData,Hora,\"Consumo registado, Ativa (kW)\",Estado\n" + """2024/10/27,01:00,0.1,Real
2024/10/27,01:15,0.2,Real
2024/10/27,01:15,0.6,Real
2024/10/27,01:30,0.3,Real
2024/10/27,01:30,0.7,Real
2024/10/27,01:45,0.4,Real
2024/10/27,01:45,0.8,Real
2024/10/27,02:00,0.5,Real
2024/10/27,02:00,0.9,Estimada
2024/10/27,02:15,1.1,Real
""",
    "\n".join(
        f"delivered 2024-10-{at} 15 {v} kW"
        for at, v in zip(
            ("26 23:45", "27 00:00", "27 00:15", "27 00:30", "27 00:45", "27 01:00", "27 01:15", "27 01:30", "27 01:45",
             "27 02:00"),
            (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1), strict=True,
        )
    ),
    sheet=True,
)  # fmt: skip
golden(
    "e-redes", "spring",
    "Contador,Data,Hora,\"Consumo registado, Ativa (kW)\",Estado\n5,2024/03/31,01:00,0.1,Real\n5,2024/03/31,02:15,0.2,Real\n"
    "5,2024/03/31,02:30,0.3,Real\n5,2024/04/01,00:00,0.4,Real\n",
    """delivered 2024-03-31 00:45 15 0.1 kW
delivered 2024-03-31 01:00 15 0.2 kW
delivered 2024-03-31 01:15 15 0.3 kW
delivered 2024-03-31 22:45 15 0.4 kW""",
    sheet=True,
)  # fmt: skip

# New Zealand changes at 14:00 UTC of the day before, and Victoria at 16:00 UTC

_FLICK = "icp_number,meter_serial_number,channel_number,started_at,ended_at,value,unit_code,status\n"
golden(
    "flick", "fall",
    _FLICK + """1,2,3,07/04/2024 01:30,07/04/2024 01:59,0.1,kWh,validated
1,2,3,07/04/2024 02:00,07/04/2024 02:29,0.2,kWh,validated
1,2,3,07/04/2024 02:30,07/04/2024 02:59,0.3,kWh,validated
1,2,3,07/04/2024 02:00,07/04/2024 02:29,0.4,kWh,validated
1,2,3,07/04/2024 02:30,07/04/2024 02:59,0.5,kWh,validated
1,2,3,07/04/2024 03:00,07/04/2024 03:29,0.6,kWh,validated
""",
    """delivered 2024-04-06 12:30 30 0.1 kWh
delivered 2024-04-06 13:00 30 0.2 kWh
delivered 2024-04-06 13:30 30 0.3 kWh
delivered 2024-04-06 14:00 30 0.4 kWh
delivered 2024-04-06 14:30 30 0.5 kWh
delivered 2024-04-06 15:00 30 0.6 kWh""",
    answers={"flow": "delivered"},
)  # fmt: skip
golden(
    "flick", "spring",
    _FLICK + """1,2,3,29/09/2024 01:30,29/09/2024 01:59,0.1,kWh,validated
1,2,3,29/09/2024 03:00,29/09/2024 03:29,0.2,kWh,validated
""",
    """delivered 2024-09-28 13:30 30 0.1 kWh
delivered 2024-09-28 14:00 30 0.2 kWh""",
    answers={"flow": "delivered"},
)  # fmt: skip
_JEMENA = "NMI,METER SERIAL NUMBER,CON/GEN,DATE,ESTIMATED?," + ",".join(
    f"{t // 60:02}:{t % 60:02} - {(t + 30) // 60 % 24:02}:{(t + 30) % 60:02}" for t in range(0, 1440, 30)
)
golden(
    "jemena", "fall",  # 48 cells of standard time, which is UTC+10
    f"{_JEMENA}\n6,1,Consumption,07/04/2024,No,{ones(0.1, 0.2, of=48)}\n",
    """delivered 2024-04-06 14:00 30 0.1 kWh
delivered 2024-04-06 14:30 30 0.2 kWh""",
    answers={"clock": "standard"}, more=46,
)  # fmt: skip
golden(
    "jemena", "spring",
    f"{_JEMENA}\n6,1,Generation,06/10/2024,No,{ones(0.1, 0.2, of=48)}\n",
    """received 2024-10-05 14:00 30 0.1 kWh
received 2024-10-05 14:30 30 0.2 kWh""",
    answers={"clock": "standard"}, more=46,
)  # fmt: skip


def workbook(text, title="Sheet", *others):
    import csv

    import openpyxl

    book = openpyxl.Workbook()
    for row in csv.reader(io.StringIO(text)):
        cells = [
            float(c) if c.replace(".", "", 1).lstrip("-").isdigit() and not c.startswith("0001") else c for c in row
        ]
        book.active.append(cells)
    book.active.title = title
    for name in others:
        book.create_sheet(name)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def intervals(df):
    start = df["start"].dt.tz_convert("UTC").dt.strftime("%Y-%m-%d %H:%M")
    minutes = ((df["end"] - df["start"]) // pd.Timedelta(minutes=1)).astype(int)
    values = df["value"].round(6)
    return [
        f"{f} {s} {m} {v} {u}" for f, s, m, v, u in zip(df["flow"], start, minutes, values, df["unit"], strict=True)
    ]


def bills(df):
    df = df.sort_values(["commodity", "end"], kind="stable")
    columns = [df[name] for name in ("flow", "start", "end", "value", "unit", "cost")]
    return [f"{f} bill {str(a)[:10]} {str(b)[:10]} {v:g} {u} {c}" for f, a, b, v, u, c in zip(*columns, strict=True)]


@pytest.mark.parametrize(("layout", "day"), GOLDEN, ids=["-".join(key) for key in GOLDEN])
def test_day_when_clocks_change(layout, day):
    made = GOLDEN[layout, day]
    data = workbook(made.text) if made.sheet else made.text.encode()
    expected = made.rows.splitlines()
    with quiet():
        found = opened(data, layout, made.answers)
    assert set(found.layouts.values()) == {layout}
    if " bill " in expected[0]:
        assert bills(found.bills) == expected
        return
    got = intervals(found.readings)
    assert got[: len(expected)] == expected
    rest = found.readings.iloc[len(expected) :]
    assert len(rest) == made.more
    assert (rest["value"] == 1).all()
    assert (rest["start"].iloc[1:].to_numpy() == rest["end"].iloc[:-1].to_numpy()).all()
    assert set(made.findings) <= set(found.findings.names)
    if made.meter:
        assert found.readings["meter"].unique().tolist() == [made.meter]
    assert "PAT EXAMPLE" not in str(list(found.findings))


def opened(data, layout, answers):
    kinds = {one.name: one.layout.kind for one in layouts.known()}
    if kinds[layout] == "readings":
        return greenkit.open_table(data, **answers)
    from greenkit.sources import Limits, walk
    from greenkit.tables.reader import TableReading

    reading = TableReading(None, {"flow": "unknown"}, None, Limits(), kind="prices")
    for source in walk(data):
        reading.read(source, lambda _: None)
    return reading.result()


@pytest.mark.parametrize("day", DAYS)
def test_every_layout_has_a_golden(day):
    missing = [layout.name for layout in layouts.known() if (layout.name, day) not in GOLDEN]
    assert not missing
