"""Every error that greenkit raises, grouped by what the user does next.

    GreenkitError
    ├── FormatError            the file is damaged or not in the expected format: check the file
    │   ├── OtherFormat            the file is intact but has another format: skipped in a folder or archive
    │   └── AmbiguousTable         the table can be read in several ways: answer its questions
    ├── LimitError             the input is dangerous or too large: raise a limit, or do not trust the file
    ├── DecryptError           OpenPGP; one subclass per cause
    │   ├── NoGpgProgram           install gpg, or let its agent start
    │   │   └── GpgTimedOut            end gpg-agent, then try again
    │   ├── NoSecretKey            import the key that the file was encrypted to
    │   ├── BadPassphrase          pass the correct passphrase
    │   ├── DamagedMessage         fetch the file again
    │   │   └── UnprotectedMessage     ask the sender for integrity protection
    │   ├── NotOpenPGP             the file has another format: check the file
    │   │   └── NotEncrypted           signed or only packed: anyone could have written it
    │   ├── DecryptedTooLarge      raise the limit (also a LimitError)
    │   └── PlainTextNotWritten    free disk space, or choose another folder
    ├── SettingsError          a setting is missing or invalid: edit the settings
    │   └── CertificateError       a key or certificate is missing, expired, or does not match
    ├── RemoteError            the server cannot be reached, or rejected the request
    │   ├── ServerUnavailable      try again later
    │   │   └── RateLimited            wait as long as the server asks
    │   ├── CertificateRejected    the TLS handshake failed: register or renew the certificate
    │   ├── HostRejected           the server is not the expected one: verify it before you continue
    │   ├── LoginRejected          wrong user name, password, or key: never retried
    │   ├── TransferError          a file arrived incomplete or changed: it is fetched again
    │   ├── AccessRefused          the account has no permission for the file or folder: request it
    │   ├── NotOnServer            the file or folder does not exist there: check its name
    │   ├── IsAFolder              the path is a folder, not a file
    │   ├── ClientRejected         the utility does not accept the client ID or secret
    │   ├── StateMismatch          the redirect belongs to a different authorization: start again
    │   ├── AuthorizationDenied    the customer denied the request
    │   ├── AuthorizationExpired   authorize again
    │   └── NotReady               the utility is still preparing the data: request it again later
    ├── BusyError              another greenkit process uses the same folder: wait until it ends
    ├── NotReadable            the user may not read the file or folder (also an OSError): get the permission
    ├── NotWritten             the disk is full or the folder is not writable (also an OSError)
    └── SchemaError            the DataFrame is not a greenkit frame: use greenkit.frame.tidy

Each error has the problem and the next step in separate fields; its text is both. Neither contains a secret or a
query string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class GreenkitError(Exception):
    """Base class of every error that greenkit raises on purpose.

    Parameters
    ----------
    problem : str
        What happened, with the value at fault, without a closing period.
    next_step : str, optional
        One imperative sentence, ``"Set the user name."``. Callers that show a problem and its remedy apart, such as
        the doctor, read this field and never take the text of the error apart.

    Examples
    --------
    >>> error = SettingsError("No user name is set", next_step="Add 'user' to the section [smt].")
    >>> str(error)
    "No user name is set. Add 'user' to the section [smt]."
    """

    def __init__(self, problem: str, *, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem, self.next_step = problem, next_step

    def __str__(self) -> str:
        if not self.next_step:
            return self.problem
        return f"{self.problem.removesuffix('.')}. {self.next_step}"


class FormatError(GreenkitError, ValueError):
    """The input is damaged or does not have the expected format.

    Parameters
    ----------
    problem : str
        What is wrong and what was expected.
    source : str, optional
        Name of the file or archive member.
    line : int, optional
        Line in it, counted from 1.
    next_step : str, optional
        As in :class:`GreenkitError`.
    """

    def __init__(
        self, problem: str, *, source: str | None = None, line: int | None = None, next_step: str = ""
    ) -> None:
        self.source, self.line = source, line
        place = source or ""
        if line is not None:
            place = f"{place}, line {line}" if place else f"line {line}"
        super().__init__(f"{place}: {problem}" if place else problem, next_step=next_step)


class OtherFormat(FormatError):
    """The input is intact, but has another format than the one requested."""


class Choice(NamedTuple):
    """One question that a table does not answer.

    Attributes
    ----------
    argument : str
        Argument of :func:`greenkit.load_table` that answers it, and the key of a mapping.
    question : str
        The question in one sentence.
    values : tuple of str
        Possible answers. For ``tz`` these are examples; any IANA time zone is an answer.
    evidence : str
        What the table shows.
    readings : mapping
        Answer → one row of the table, read in that way.
    file : str
        Name of the file.
    """

    argument: str
    question: str
    values: tuple[str, ...]
    evidence: str = ""
    readings: Mapping[str, str] = MappingProxyType({})
    file: str = ""


class AmbiguousTable(FormatError):
    """A table can be read in several ways, and greenkit does not guess.

    Attributes
    ----------
    choices : tuple of Choice
        Every open question of the table.
    """

    def __init__(self, problem: str, choices: Sequence[Choice], *, source: str | None = None, next_step: str = ""):
        super().__init__(problem, source=source, next_step=next_step)
        self.choices = tuple(choices)


class LimitError(GreenkitError, ValueError):
    """The input is larger, more deeply nested, or more dangerous than the limits allow."""


class DecryptError(GreenkitError):
    """An OpenPGP file could not be decrypted. Each cause is a subclass."""


class NoGpgProgram(DecryptError):
    """The gpg program is not installed or not found, or its agent does not start."""


class GpgTimedOut(NoGpgProgram):
    """gpg or its agent did not finish in time, and was ended."""


class NoSecretKey(DecryptError):
    """The file is encrypted to a key that is not in the keyring."""


class BadPassphrase(DecryptError):
    """The passphrase of the private key is missing or wrong."""


class DamagedMessage(DecryptError):
    """The message is truncated or altered. Its decrypted text is not used."""


class UnprotectedMessage(DamagedMessage):
    """The message has no integrity protection, so changes to it cannot be detected."""


class NotOpenPGP(DecryptError):
    """The file is not an OpenPGP message."""


class NotEncrypted(NotOpenPGP):
    """The file is OpenPGP, but only signed or packed, not encrypted."""


class DecryptedTooLarge(DecryptError, LimitError):
    """The decrypted text is larger than the limit."""


class PlainTextNotWritten(DecryptError):
    """The decrypted file could not be written: the disk is full, or the folder is missing or not writable."""


class SettingsError(GreenkitError, ValueError):
    """A setting is missing or invalid."""


class CertificateError(SettingsError):
    """A certificate or its key is missing or expired, or they do not match."""


class RemoteError(GreenkitError):
    """A server could not be reached, or rejected the request."""


class ServerUnavailable(RemoteError):
    """The server does not answer, or reports that it cannot now; ``retry_after`` is in seconds if it stated a time."""

    def __init__(self, problem: str, retry_after: float | None = None, *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after = retry_after


class RateLimited(ServerUnavailable):
    """The server limits the rate of requests; ``retry_after`` is in seconds if it stated a time."""


class CertificateRejected(RemoteError):
    """The TLS handshake failed because of the server's certificate or the client's."""


class HostRejected(RemoteError):
    """The identity of the server (host key, host name, or certificate) is not the expected one."""


class LoginRejected(RemoteError):
    """The server rejected the user name, password, or key. greenkit never retries, because retries lock accounts."""


class TransferError(RemoteError):
    """A file arrived incomplete or changed."""


class AccessRefused(RemoteError):
    """The account has no permission to read or delete the file, or to open the folder."""


class ClientRejected(RemoteError):
    """The utility does not accept the client ID, secret, or registration."""


class StateMismatch(RemoteError):
    """The redirect belongs to a different authorization than the one in progress."""


class AuthorizationDenied(RemoteError):
    """The customer denied the authorization."""


class AuthorizationExpired(RemoteError):
    """The authorization has ended, and the customer must authorize again.

    ``final`` is True if the utility reported so with the error code of the standard; greenkit then does not try the
    grant again.
    """

    def __init__(self, problem: str, *, final: bool = False, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.final = final


class NotOnServer(RemoteError, FileNotFoundError):
    """The file or folder does not exist on the server."""


class IsAFolder(RemoteError, IsADirectoryError):
    """The path on the server is a folder, not a file."""


class NotReady(RemoteError):
    """The utility accepted the request and is still preparing the data."""

    def __init__(self, problem: str, retry_after: float | None = None, *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after = retry_after


class BusyError(GreenkitError):
    """Another process holds the lock."""


class NotReadable(GreenkitError, OSError):
    """A local file or folder could not be read, because this user has no permission."""


class NotWritten(GreenkitError, OSError):
    """A local file could not be written: the disk is full, or the folder is not writable."""


class SchemaError(GreenkitError, ValueError):
    """A DataFrame does not have the columns, dtypes, or order of a greenkit frame."""
