"""Files that users mistake for meter data: other kinds, recognized by their first bytes.

One table states what each is and what to do. A reader asks :func:`recognize` before it parses anything, and raises
``OtherFormat(f"This is {it.what}", next_step=it.next_step)``. A format that another reader of greenkit reads is not
foreign; :mod:`greenkit.detect` distinguishes those.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Foreign(NamedTuple):
    """A kind of file without meter data.

    Parameters
    ----------
    what : str
        Noun phrase with its article, ``"a PDF"``.
    next_step : str
        What a user does instead, as one imperative sentence.
    """

    what: str
    next_step: str


_DOWNLOAD: Final = "Download the data instead, as XML or CSV."
_WORKBOOK: Final = Foreign(
    "an Excel workbook", "Use the file as it was delivered, or save the worksheet as CSV and load that."
)
_IMAGE: Final = Foreign("an image", _DOWNLOAD)
_WEB_PAGE: Final = Foreign("a web page", "Download the file again, and check that you are signed in.")
_UNPACK: Final = "Unpack it, and load the files in it."

BY_FIRST_BYTES: Final[tuple[tuple[bytes, Foreign], ...]] = (
    (b"%PDF", Foreign("a PDF", _DOWNLOAD)),
    (b"\xd0\xcf\x11\xe0", _WORKBOOK),  # OLE2, the format of .xls and of encrypted .xlsx
    (b"PK\x03\x04", _WORKBOOK),  # readers see a zip only if it is a workbook; sources opens all others
    (b"From: <Saved by", Foreign("a web page that a browser saved as MHTML", _DOWNLOAD)),
    (b"PAR1", Foreign("a Parquet file", "Read it with greenkit.store.read.")),
    (b"7z\xbc\xaf", Foreign("a 7-Zip archive", _UNPACK)),
    (b"Rar!", Foreign("a RAR archive", _UNPACK)),
    (b"\x89PNG", _IMAGE),
    (b"GIF8", _IMAGE),
    (b"\xff\xd8\xff", _IMAGE),
)
"""Binary files, by the bytes that they begin with."""

# The header of a saved e-mail: fields, of which one is of e-mail only; mbox files have a separator before it (RFC 5322,
# RFC 4155).
_EMAIL: Final = re.compile(
    rb"(?:From [^\r\n]*\r?\n)?(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)*?"
    rb"(?:received|return-path|delivered-to|mime-version|message-id):",
    re.I,
)

BY_TEXT: Final[tuple[tuple[re.Pattern[bytes], Foreign], ...]] = (
    (re.compile(rb"<(!doctype\s+html|html)\b", re.I), _WEB_PAGE),
    (re.compile(rb"<svg\b", re.I), _IMAGE),
    (_EMAIL, Foreign("an e-mail without attachments", "Load the file that was attached to it, or download the data.")),
    (re.compile(rb"&lt;"), Foreign("XML that was written as text, with &lt; for each <", "Download the file again.")),
)
"""Text files, by what follows a byte order mark and white space."""


def recognize(head: bytes) -> Foreign | None:
    """Return what a file is, if its first bytes are those of a known kind without meter data.

    Parameters
    ----------
    head : bytes
        The first bytes of a file; 4 KiB are enough.

    Examples
    --------
    >>> recognize(b"%PDF-1.7").what
    'a PDF'
    >>> recognize(b"ESIID,USAGE_DATE") is None
    True
    """
    for mark, what in BY_FIRST_BYTES:
        if head.startswith(mark):
            return what
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((what for pattern, what in BY_TEXT if pattern.match(text)), None)


def is_email(head: bytes) -> bool:
    r"""Return whether the first bytes are those of a saved e-mail or an mbox file, and not of a saved web page (MHTML).

    Examples
    --------
    >>> is_email(b"From: a@example.com\nMIME-Version: 1.0\n"), is_email(b"[package]\nname: x\n")
    (True, False)
    """
    return _EMAIL.match(head) is not None and not any(head.startswith(mark) for mark, _ in BY_FIRST_BYTES)
