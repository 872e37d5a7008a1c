"""load(): which reader, told by the bytes."""

import io

import pytest

import greenkit
from greenkit import samples
from greenkit.errors import DecryptError, FormatError

LSE = "00000001,10000000000000017,4,20240701000000,20240701235959,Y,N\n00000002,,,,,,,900,01,,,,\n00000003,\n"
LSE += "00000004,20240702063000,M\n10000000," + "0.25,A,," * 96 + "\n"


@pytest.mark.parametrize(
    ("name", "meter_is_esi_id"), [("espi", False), ("smt-interval", True), ("smt-lse", True), ("smt-api", True)]
)
@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_every_format(name, meter_is_esi_id):
    path = samples.path(name)
    df = greenkit.load(path)
    greenkit.frame.check(df, exact=True)
    assert len(df) > 0
    assert df["meter"].iloc[0].isdigit() == meter_is_esi_id
    for source in (path.read_bytes(), [path], str(path)):
        assert greenkit.load(source)["value"].equals(df["value"])


@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_what_can_be_read_only_once():
    class Once(io.RawIOBase):
        def __init__(self, data):
            self._file = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self._file.readinto(buffer)

    data = samples.path("espi").read_bytes()
    assert len(greenkit.load(Once(data))) == len(greenkit.load(data))
    assert len(greenkit.load(path for path in [samples.path("espi")])) == len(greenkit.load(data))
    assert len(greenkit.load(io.BytesIO(LSE.encode()))) == 96


@pytest.mark.filterwarnings("ignore::greenkit.findings.GreenkitWarning")
def test_both_kinds_in_one_folder(tmp_path):
    (tmp_path / "a.txt").write_text(LSE)
    (tmp_path / "b.txt").write_bytes(samples.path("espi").read_bytes())
    df = greenkit.load(tmp_path)
    assert len(df) == 96 + len(greenkit.load(samples.path("espi")))
    greenkit.frame.check(df)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\r\n  "])
def test_marks_and_blanks_before_xml(mark):
    feed = b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>"
    with pytest.raises(FormatError) as raised:
        greenkit.load(mark + feed[:-3])
    assert "Smart Meter Texas" not in str(raised.value)


def test_what_is_neither():
    with pytest.raises(FormatError, match="no columns of Smart Meter Texas"):
        greenkit.load(b"a,b,c\n1,2,3\n")
    with pytest.raises(DecryptError, match="pass pgp="):
        greenkit.load(b"-----BEGIN PGP MESSAGE-----\n\nx\n")
    with pytest.raises(TypeError, match="a source is a path"):
        greenkit.load(7)
    assert len(greenkit.load([])) == 0


def test_an_empty_name_is_not_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"name of the file is empty: give a path, or '\.' for this folder"):
        greenkit.load("")
