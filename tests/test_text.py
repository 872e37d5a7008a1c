"""Text files: encodings, pieces of lines, cells, and numbers in bulk."""

import codecs
import io
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkit import text
from greenkit.errors import LimitError

CSV = "ESIID,USAGE_DATE\r\n'1,Café\r\n"


def pieces(raw, **options):
    return list(text.read_pieces(io.BytesIO(raw), "x.csv", lambda n: None, **options))


# Encodings


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (codecs.BOM_UTF8 + b"a,b", "utf-8-sig"),
        ("a,b".encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + "a,b".encode("utf-16-be"), "utf-16"),
        ("a,b".encode("utf-16-le"), "utf-16-le"),
        ("a,b".encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + "a,b".encode("utf-32-le"), "utf-32"),
        (codecs.BOM_UTF32_BE + "a,b".encode("utf-32-be"), "utf-32"),
        (b"a,b", ""),
        (b"", ""),
        (b"a\0b\0c"[:3], ""),  # too short to tell
        (b"\0\0\0\0", ""),
    ],
)
def test_encoding_is_detected_from_the_first_bytes(raw, encoding):
    assert text.detect_encoding(raw) == encoding
    if encoding:
        assert text.decode_head(raw) == "a,b"


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "ISO-8859-1", "windows-1252", "ascii", "latin-1", "shift_jis"])
def test_declared_text_encoding_is_accepted(name):
    assert text.text_encoding(name) == codecs.lookup(name).name


@pytest.mark.parametrize(
    "name",
    [
        *("rot13", "hex", "base64", "zlib", "bz2", "uu", "quopri"),  # Python's codecs from bytes to bytes or str to str
        *("punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7", "hz"),  # ASCII is not ASCII
        *("utf-16", "utf-32", "cp037"),  # a declaration in ASCII cannot be true
        *("no-such", "", "x" * 5000, "a\0b"),
    ],
)
def test_declared_encoding_that_no_text_has_is_refused(name):
    assert text.text_encoding(name) is None


def test_bytes_that_are_not_utf_8_are_read_as_latin_1():
    assert text.decode("é".encode()) == "é"
    assert text.decode("é".encode("latin-1")) == "é"
    assert text.decode_head(b"\xe9") == "é"


# Lines and cells


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [4, 8, 12, 1 << 20])
def test_pieces_are_the_lines_in_utf_8_with_one_line_end(encoding, newline, size):
    raw = CSV.replace("\r\n", newline).encode(encoding)
    found = pieces(raw, size=size)
    assert b"".join(piece.text for piece in found).decode() == CSV.replace("\r\n", "\n")
    assert [piece.line for piece in found] == [
        1 + b"".join(p.text for p in found[:i]).count(b"\n") for i in range(len(found))
    ]
    assert not any(piece.cut for piece in found)


def test_last_piece_reports_a_missing_line_end():
    assert pieces(b"a\nb") == [text.Piece(b"a\n", 1, False), text.Piece(b"b\n", 2, True)]
    assert pieces(b"a\nb\n\x1a") == [text.Piece(b"a\nb\n", 1, False)]  # DOS ended files so


def test_byte_order_marks_of_concatenated_files_are_removed():
    one = codecs.BOM_UTF8 + b"a\n"
    assert [piece.text for piece in pieces(one + one)] == [b"a\na\n"]


def test_pieces_end_where_a_record_begins():
    assert [piece.text for piece in pieces(b"1,a\n5,x\n1,b\n5,y\n", cut=b"\n1", size=10)] == [
        b"1,a\n5,x\n",
        b"1,b\n5,y\n",
    ]


def test_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(text, "_LONGEST", 5000)
    with pytest.raises(LimitError, match="More than 5,000 bytes contain no line end") as caught:
        pieces(b"9" * 10_000, size=1000)
    assert caught.value.next_step


def test_row_with_a_stray_quotation_mark_is_one_row():
    assert text.split_row('a,"b', ",") == ["a", "b"]
    assert text.split_row('"a;b"; c ', ";") == ["a;b", "c"]


# Numbers


@pytest.mark.parametrize(
    "cell", ["", "-", "nan", "inf", "-Infinity", "1_000", "1e999", "0x10", "1 2", "½", "１２", "٣"]
)
def test_text_that_is_not_a_finite_number_is_none(cell):
    assert text.parse_number(cell) is None


NUMBERS = st.one_of(
    st.decimals(-10_000, 10_000, places=3).map(str),
    st.integers(0, 10**17).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.text("0123456789.-+e ", max_size=20),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_bulk_decimals_are_those_of_float(texts):
    raw = np.frombuffer(b",".join(t.encode() for t in texts) + b",", dtype=np.uint8)
    stop = np.flatnonzero(raw == ord(","))
    start = np.append(0, stop[:-1] + 1)
    values, odd = text.parse_decimals(raw, start, stop)
    for cell, value, is_odd in zip(texts, values.tolist(), odd.tolist(), strict=True):
        plain = cell.lstrip("-").replace(".", "", 1)
        if cell == "":
            assert np.isnan(value)
            assert not is_odd
        elif is_odd:
            assert np.isnan(value)
            # nothing that is plainly a number of few digits is left to the slow way
            assert not (plain.isdigit() and len(plain) <= text.DIGITS and cell[-1] != "." and cell.count("-") < 2)
        else:
            assert value == float(cell)
            assert np.signbit(value) == cell.startswith("-")


def test_scanned_numbers_end_where_their_digits_end():
    raw = np.frombuffer(b"12.5kWh,7,.25,x,1234567890123456,3.\n", dtype=np.uint8)
    at = np.array([0, 8, 10, 14, 16, 33])
    number, end = text.scan_digits(raw, at)
    assert number.tolist() == [12, 7, 0, 0, 123456789012345, 3]
    assert end.tolist() == [2, 9, 10, 14, 31, 34]
    number, end = text.scan_decimals(raw, at)
    assert number.tolist() == [12.5, 7.0, 0.25, 0.0, 123456789012345.0, 3.0]
    assert end.tolist() == [4, 9, 13, 14, 31, 34]  # "3." ends before its point


def test_numbers_without_integer_digits_are_read_and_places_are_unchanged():
    raw = np.frombuffer(b".5,.25\n", dtype=np.uint8)
    at = np.array([0, 3])
    number, end = text.scan_decimals(raw, at)
    assert (number.tolist(), end.tolist(), at.tolist()) == ([0.5, 0.25], [2, 6], [0, 3])
    values, odd = text.parse_decimals(raw, at, np.array([2, 6]))
    assert (values.tolist(), odd.any()) == ([0.5, 0.25], False)


def test_scanned_integers_stay_integers():
    raw = np.frombuffer(b"900 25\n", dtype=np.uint8)
    number, end = text.scan_decimals(raw, np.array([0, 4]))
    assert number.dtype == np.int64
    assert (number.tolist(), end.tolist()) == ([900, 25], [3, 6])


def test_no_places_give_no_numbers():
    raw = np.frombuffer(b"\n", dtype=np.uint8)
    none = np.empty(0, dtype=np.int64)
    values, odd = text.parse_decimals(raw, none, none)
    assert len(values) == len(odd) == 0


@pytest.mark.parametrize("character", string.printable)
def test_bulk_parser_accepts_only_digits_point_and_leading_minus(character):
    raw = np.frombuffer(f"1{character}2\n".encode(), dtype=np.uint8)
    values, odd = text.parse_decimals(raw, np.array([0]), np.array([3]))
    plain = character.isdigit() or character == "."
    assert odd[0] != plain
    assert not plain or values[0] == float(f"1{character}2")
