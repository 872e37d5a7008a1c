"""Seeded damage to small feeds: every way in which a document may differ from what a byte-wise reader expects."""

import random
import re

from build import ATOM, CENTRAL, ESPI, MR, RT, block, entry, hourly, meter_reading, reading, resource, utc, whole

START = utc("2024-03-10 06:00")


def _pretty(text, newline="\n"):
    """Indent a feed as most utilities do: a leaf on one line, white space between all else."""
    return re.sub(
        r"(?<=>)(?=<(?!/))|(?<=</timePeriod>)|(?<=</ReadingQuality>)|(?<=</IntervalReading>)", newline + "  ", text
    )


def bases():
    """Whole feeds, as text."""
    qualities = "".join(
        reading(START + i * 900, 40 + i, 900, cost=i * 7, ReadingQuality={"quality": (8, 14, 17)[i % 3]}, tou=i % 4)
        for i in range(12)
    )
    plain = whole(block(hourly(START, range(90, 102)), START, 43200), block(hourly(START + 43200, [5] * 8)))
    full = whole(block(qualities, START, 10800), service=1, local=CENTRAL)
    dated = whole(block(re.sub("(</start>)", r"\1<!-- 3/10/2024 6:15:00 AM -->", hourly(START, range(9)))))
    loose = whole(block("".join(reading(None, v) for v in range(6)), START, 21600), local=None)
    for text in (plain, full, dated, loose, *days()):
        text = text.decode()
        yield text
        yield _pretty(text)
        yield _pretty(text, "\r\n\t").replace("IntervalReading>\r\n\t", "IntervalReading>\r\n\t\r\n\t ")


def days():
    """Feeds of an entry a day, as most utilities send them: two meters by turns and all stamps, or neither."""
    meters = [MR, MR.replace("UsagePoint/1", "UsagePoint/9")]
    for stamped in (True, False):
        entries = [meter_reading(self_=meters[1], related=[RT])] if stamped else []
        for i in range(14):
            at, mr = START + i * 7200, meters[i % 2 * stamped]
            quality = {"ReadingQuality": {"quality": 8}} if i % 5 == 2 else {}
            values = (i, i - 7) if stamped else (i, i + 0.25, -i / 8)
            readings = hourly(at, values, 7200 // len(values), cost=5 if stamped else None, **quality)
            atom = (
                {"id_": f"urn:uuid:{i}", "updated": f"2024-04-01T00:00:{i:02}Z"} if stamped else {"title": f"Day {i}"}
            )
            links = {"related": [mr]} if stamped else {"up": f"{mr}/IntervalBlock"}
            entries.append(entry(block(readings, at, 7200), f"{mr}/IntervalBlock/{i}", **links, **atom))
        yield whole(more="".join(entries))


def _element(
    rng, text, names="IntervalReading|timePeriod|start|duration|value|cost|tou|ReadingQuality|quality|interval"
):
    """Find one whole element at random: its span."""
    found = list(re.finditer(rf"<({names})>(?:(?!<\1>).)*?</\1>", text, re.S))
    return rng.choice(found).span() if found else (0, 0)


def _place(rng, text):
    """Find a place before a tag, past the head of the document."""
    found = [m.start() for m in re.finditer("<", text)][4:]
    return rng.choice(found) if found else len(text)


def _insert(rng, text, what):
    at = _place(rng, text)
    return text[:at] + what + text[at:]


def _leaf(rng, text, change):
    """Change the text of one leaf, or of all leaves of one name."""
    name = rng.choice(["start", "duration", "value", "cost", "tou", "quality"])
    found = list(re.finditer(rf"(?<=<{name}>)[^<]*(?=</{name}>)", text))
    if not found:
        return text
    if rng.random() < 0.3:
        return re.sub(rf"(?<=<{name}>)[^<]*(?=</{name}>)", lambda m: change(m[0]), text)
    a, b = rng.choice(found).span()
    return text[:a] + change(text[a:b]) + text[b:]


ODD = ("", " ", "-0", "+7", "007", "12.5", "1.10", "0.1", "5.", ".5", "12345678901.2345", "123456789012.3456", "1e3",
       "NaN", "inf", "x", "１２", "1_000", "99999", "-32768", "4294967296",
       "9" * 15, "9" * 16, "1700000000000", "253402214400", "-5", "- 5", "5 5", "&#49;", "&amp;", "&nbsp;", "<x/>3")  # fmt: skip
FOREIGN = ("<x/>", "<x>5</x>", '<v:note xmlns:v="urn:vendor">7</v:note>', "<!-- 12 -->", "<!-- a-b -->", "<!--", "-->",
           "<![CDATA[", "]]>", "<?pi 5?>", "\n", "\t ", "\u00a0", "&lt;", "<value>3</value>", "<IntervalReading>",
           "</IntervalReading>", "<IntervalReading/>", "<cost/>", "7", "<IntervalReading ></IntervalReading >",
           '<IntervalReading run-0="0"/>', "<!-- <IntervalReading></IntervalReading> -->", "<entry/>")  # fmt: skip
NAMESPACES = (ATOM, ESPI, ESPI + "/customer", "http://naesb.org/ESPI/", "urn:vendor", "")


def prefix(rng, text):
    """Put ESPI, or only its readings, under a prefix."""
    p = rng.choice(["espi", "ns0", "a-b.c", "e"])
    names = "|".join(["IntervalReading|timePeriod|start|duration|value|cost|tou|ReadingQuality|quality"]
                     + ["interval|IntervalBlock|ReadingType|UsagePoint|MeterReading"] * rng.randrange(2))  # fmt: skip
    text = re.sub(rf"<(/?)(?=(?:{names})[ />])", rf"<\1{p}:", text)
    return text.replace("<feed ", f'<feed xmlns:{p}="{ESPI}" ', rng.randrange(2)) if rng.random() < 0.9 else text


def rebind(rng, text):
    """Declare another namespace on some element."""
    tags = list(re.finditer(r"<([\w:.-]+)(?= |>)", text))
    at = rng.choice(tags).end()
    name = rng.choice(["", ":espi", ":ns0", ":v"])
    return text[:at] + f' xmlns{name}="{rng.choice(NAMESPACES)}"' + text[at:]


def wrap(rng, text):
    """Put an element into a comment, CDATA, or a foreign element."""
    a, b = _element(rng, text, "IntervalReading|value|timePeriod|IntervalBlock xmlns[^>]*")
    before, after = rng.choice([("<!--", "-->"), ("<![CDATA[", "]]>"), ("<x>", "</x>"), ("<?p ", "?>"), ("<value>", "</value>"),
                                ('<v:x xmlns:v="urn:v">', "</v:x>"), ("<IntervalReading>", "</IntervalReading>")])  # fmt: skip
    return text[:a] + before + text[a:b] + after + text[b:]


def move(rng, text):
    """Drop, repeat, or move an element."""
    a, b = _element(rng, text)
    piece, rest = text[a:b], text[:a] + text[b:]
    how = rng.randrange(4)
    if how == 0:
        return rest
    if how == 1:
        return text[:b] + piece + text[b:]
    return _insert(rng, rest if how == 2 else text, piece)


def attribute(rng, text):
    """Put an attribute on some element."""
    at = rng.choice(list(re.finditer(r"<[\w:.-]+", text))).end()
    given = rng.choice([' n="5"', ' xsi:type="t"', " a='<'", ' xml:space="preserve"', "  ", "\n"])
    given += ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"' if "xsi" in given and rng.random() < 0.8 else ""
    return text[:at] + given + text[at:]


def bytes_of(rng, text):
    """Encode it, well or badly; cut it; damage some bytes."""
    how = rng.choice(
        ["utf-8"] * 8 + ["utf-16", "utf-16-le", "latin-1", "declared", "bom", "cut", "flip", "drop", "accent"]
    )
    if how == "declared":
        return text.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"', 1).encode("latin-1", "replace")
    if how == "accent":
        return _insert(rng, text, "\u00e9").encode(rng.choice(["latin-1", "utf-8"]), "replace")
    if how in ("utf-8", "utf-16", "utf-16-le", "latin-1"):
        return text.encode(how, "replace")
    data = bytearray(text.encode())
    at = rng.randrange(len(data))
    if how == "bom":
        return b"\xef\xbb\xbf" + bytes(data)
    if how == "cut":
        return bytes(data[:at])
    if how == "drop":
        del data[at : at + rng.randrange(1, 40)]
    else:
        data[at] = rng.randrange(256)
    return bytes(data)


def again(rng, text):
    """Put a second feed, root or a part of the document behind the first."""
    return text + rng.choice(["<x/>", "<!-- end -->", "\n\n", text, "5", text[: len(text) // 2]])


ATOM_PARTS = (
    "<title/>", "<title>Day</title>", "<title>Day &amp; night</title>", "<title>  </title>", "<id>5</id>", "<id> 5 </id>",
    "<updated>2030-01-01T00:00:00Z</updated>", "<published>1899-12-30</published>", '<link rel="self" href=""/>',
    '<link rel="self" href="x/%41/1"/>', '<link rel="up" href=" "/>', '<link rel="related" href="/"/>', '<category term="5"/>',
    '<link href="a&amp;b"/>', "<link rel='related' href='c'/>", '<link rel="alternate" href="d"/>', "<author><name>5</name></author>",
    "<!-- 3/1/2024 -->", "<!-- <entry> -->", "<x>7</x>", "<![CDATA[5]]>", "junk", "&#49;", "<?pi 5?>", "<entry></entry>",
    resource("ReadingType", {"uom": 72}), resource("IntervalBlock"), block(reading(START, 5)), resource("UsagePoint"),
    "<content>" + block(reading(START, 6)) + "</content>", "<interval><start>5</start></interval>", "\u00e9", "\x0b",
)  # fmt: skip


def _entries(text):
    """Find the entries that hold a block: their spans."""
    return [m.span() for m in re.finditer(r"<entry[ >](?:(?!</entry>).)*IntervalBlock.*?</entry>", text, re.S)]


def arrange(rng, text):
    """Swap, repeat, drop or nest entries, or put something between two."""
    found = _entries(text)
    if len(found) < 2:
        return text
    (a, b), (c, d) = sorted(rng.sample(found, 2))
    one, between, other = text[a:b], text[b:c], text[c:d]
    middle = rng.choice([
        other + between + one, one + between + one + other, one + between, between + other,
        one + between + rng.choice(ATOM_PARTS) + other, "<x>" + one + "</x>" + between + other, one + "\r\n\t " + other,
        one + block(reading(START, 5)) + between + other, "<!--" + one + "-->" + between + other,
    ])  # fmt: skip
    return text[:a] + middle + text[d:]


def in_entry(rng, text):
    """Change the text around the readings of one entry, or of all."""
    found = _entries(text)
    if not found:
        return text
    part, how = rng.choice(ATOM_PARTS), rng.randrange(6)
    for a, b in found[::-1] if rng.random() < 0.5 else [rng.choice(found)]:
        text = text[:a] + _changed(rng, text[a:b], part, how) + text[b:]
    return text


def _changed(rng, one, part, how):
    if how == 0:  # something more, before or behind the content
        return re.sub(rng.choice(["(?=<content)", "(?=</entry>)", "(?=<interval>)"]), lambda m: part, one, count=1)
    if how == 1:  # a link less
        return re.sub(r"<link[^>]*/>", "", one, count=1)
    if how == 2:  # links in another order
        links = re.findall(r"<link[^>]*/>", one)
        return one.replace("".join(links), "".join(links[::-1]))
    if how == 3:  # other texts
        texts = ["", " 5", "a'b", "x&lt;", "N 1"]
        return re.sub(r"(<(title|updated|id)>)[^<]*", lambda m: m[1] + rng.choice(texts), one)
    if how == 4:  # another interval
        number = rng.choice(["", "0", " 5 ", "-5", "12.5", "99999999999", "999999999999", "1e3", "x"])
        return re.sub(r"(<interval>.*?<(start|duration)>)[^<]*", lambda m: m[1] + number, one, count=1, flags=re.S)
    hrefs = ["", "/", "https://x", "a/b%2Fc", "'", "q?a=1&amp;b=2"]
    return re.sub(r"(href=.)[^\"]*", lambda m: m[1] + rng.choice(hrefs), one)


MUTATIONS = (
    arrange, arrange, in_entry, in_entry,
    prefix, rebind, wrap, move, move, attribute, again,
    lambda rng, text: _leaf(rng, text, lambda old: rng.choice(ODD)),
    lambda rng, text: _leaf(rng, text, lambda old: rng.choice([f" {old} ", f"-{old}", f"0{old}", f"{old}.0", f"<!-- 1 -->{old}"])),
    lambda rng, text: _insert(rng, text, rng.choice(FOREIGN)),
    lambda rng, text: text.replace("><", rng.choice([">\r\n<", "> <", ">\t<"])),
    lambda rng, text: text.replace(f' xmlns="{ESPI}"', "", rng.randrange(1, 6)),
)  # fmt: skip
BASES = tuple(bases())


def mutant(seed):
    """Make one document from its seed: a base with up to three changes, encoded."""
    rng = random.Random(seed)
    text = rng.choice(BASES)
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
        text = rng.choice(MUTATIONS)(rng, text)
    return bytes_of(rng, text)
