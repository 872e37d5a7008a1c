"""Recognition of senders, and the calls of their quirks: once for a document, a block, a series, or an array of rows.

Two quirks can apply to one document if they set different things. If they set the same thing, neither of them applies,
because nothing proves which one is correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from greenkit.espi import quirks
from greenkit.espi._feed import Entry, Feed, Resource
from greenkit.espi.quirks import BlockFacts, DocumentFacts, ImpliedReadingType, Quirk
from greenkit.findings import Findings, Kind

CONFLICT: Final = Kind(
    "espi.quirk.conflict",
    "serious",
    "The document matches the quirks of several senders ({quirks}), which differ in {what}. greenkit applied none of "
    "them.",
    "Check the values and times, and report the document to the greenkit developers.",
)


def recognize(feed: Feed) -> Findings:
    """Set the quirks of each document, and add the ReadingTypes that its blocks imply if it has none."""
    out = Findings()
    entries, blocks = feed.entries, feed.readings.blocks
    typed = {entries.document[r.entry] for r in feed.of("ReadingType")}
    titles: dict[int, list[str]] = {}
    for resource in feed.of("ReadingType"):
        titles.setdefault(entries.document[resource.entry], []).append(entries.title[resource.entry])
    stated: dict[int, set[str]] = {}
    for block, statement in blocks.statements.items():
        stated.setdefault(entries.document[blocks.entry[block]], set()).update(statement.interval)
    reported: set[str] = set()
    for number, document in enumerate(feed.documents):
        members = frozenset(stated.get(number, ()))
        facts = DocumentFacts(
            document.title, members, number in typed, tuple(titles.get(number, ())), _block_links(feed, number)
        )
        recognized = [quirk for quirk in quirks.in_use() if quirk.recognizes(facts)]
        counts = Counter(what for quirk in recognized for what in quirk.sets)
        disputed = {what for what, n in counts.items() if n > 1}
        refused = [quirk for quirk in recognized if quirk.sets & disputed]
        if refused:
            out.add(
                CONFLICT,
                quirks=[quirk.name for quirk in refused],
                file=document.name,
                words={"quirks": ", ".join(quirk.name for quirk in refused), "what": ", ".join(sorted(disputed))},
            )
        document.quirks = tuple(quirk for quirk in recognized if quirk not in refused)
        if number not in typed:
            for quirk in document.quirks:
                if "implied_reading_type" in quirk.sets:
                    out.extend(_add_reading_types(feed, number, quirk, reported))
    return out


def _block_links(feed: Feed, document: int) -> Any:
    def links() -> Iterator[str]:
        columns = zip(feed.entries.document, feed.entries.kinds, feed.entries.self_, strict=True)
        return (self_ for number, kinds, self_ in columns if number == document and "IntervalBlock" in kinds)

    return links


def _add_reading_types(feed: Feed, document: int, quirk: Quirk, reported: set[str]) -> Findings:
    """Add the ReadingTypes that blocks imply, with one entry for all blocks that imply the same one."""
    out = Findings()
    entries: dict[tuple[Any, ...], Entry] = {}
    for number, block in enumerate(feed.readings.blocks):
        entry = feed.entries[block.entry]
        if entry.document != document:
            continue
        interval, multipliers = (block.statement.interval, block.statement.multipliers) if block.statement else ({}, ())
        implied = quirk.implied_reading_type(BlockFacts(interval, multipliers, entry.self_))
        if implied is None:
            continue
        key = (implied.path or block.entry, *sorted(implied.members.items()))
        if key not in entries:
            entries[key] = _entry_with(feed, entry, implied)
            if implied.kind.name not in reported:
                reported.add(implied.kind.name)
                out.add(
                    implied.kind, severity=implied.severity, words=implied.words, file=feed.documents[document].name
                )
        feed.readings.blocks.entry[number] = entries[key].number
        feed.readings.doubtful["own", "powerOfTenMultiplier"] -= len(multipliers)  # the quirk accounts for them
    return out


def _entry_with(feed: Feed, entry: Entry, implied: ImpliedReadingType) -> Entry:
    kinds = ("IntervalBlock", "ReadingType")
    added = replace(entry, number=len(feed.entries), self_=implied.path or entry.self_, kinds=kinds)
    feed.entries.append(added)
    feed.resources.append(
        Resource("ReadingType", {name: [text] for name, text in implied.members.items()}, added.number)
    )
    return added


def zone(feed: Feed, document: int) -> str | None:
    """Return the time zone of the meters of a document's sender, if a quirk knows it."""
    if not feed.documents:
        return None
    return next((quirk.zone for quirk in feed.documents[document].quirks if quirk.zone), None)
