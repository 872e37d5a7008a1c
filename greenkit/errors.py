"""Every error that greenkit raises, grouped by what the user does next.

    GreenkitError
    ├── FormatError            the file is not what you think: look at the file
    │   └── OtherFormat            it is whole, but something else: in a folder or archive it is passed over
    ├── LimitError             the input is dangerous or too big: raise a limit, or distrust the file
    ├── DecryptError           OpenPGP: one subclass for each cause
    │   ├── NoGpgProgram           install gpg, or let its agent start
    │   ├── NoSecretKey            import the key that the file was encrypted to
    │   ├── BadPassphrase          give the right passphrase
    │   ├── DamagedMessage         fetch the file again
    │   │   └── UnprotectedMessage     ask the sender for integrity protection
    │   ├── NotOpenPGP             it is something else: look at the file
    │   │   └── NotEncrypted           signed or packed, but anybody could have written it
    │   ├── DecryptedTooLarge      raise the limit (also a LimitError)
    │   └── PlainTextNotWritten    make room on the disk, or give another folder
    ├── SettingsError          a setting is missing or wrong: edit the settings
    │   └── CertificateError       a key or certificate is missing, expired or does not match
    ├── RemoteError            the server is not reachable, or refused us
    │   ├── ServerUnavailable      try again later
    │   │   └── RateLimited            wait as long as it says
    │   ├── CertificateRejected    the TLS handshake: register or renew the certificate
    │   ├── HostRejected           the server is not the one you named: check it before you go on
    │   ├── LoginRejected          user name, password or key: never retried
    │   ├── TransferError          a file came cut or changed: it is fetched again
    │   ├── AccessRefused          the account has no right to that file or folder: ask for it
    │   ├── ClientRejected         the utility does not accept this client's id or secret
    │   ├── StateMismatch          the redirect does not belong to this authorization: start again
    │   ├── AuthorizationDenied    the customer said no
    │   ├── AuthorizationExpired   authorize again
    │   └── NotReady               the utility is still preparing the data: ask again later
    ├── BusyError              another greenkit works on the same folder: wait for it
    ├── NotWritten             the disk is full or the folder not writable: make room, or give another (also an OSError)
    └── SchemaError            the frame is not a greenkit frame: use greenkit.frame.tidy

Each error holds the problem and the next step apart; its text is both. Neither holds a secret or a query string.
"""

from __future__ import annotations


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
    """The input is not the format it was taken for.

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
    """The input is whole, but of another format than the one asked for."""


class LimitError(GreenkitError, ValueError):
    """The input is larger, deeper or more dangerous than the limits allow."""


class DecryptError(GreenkitError):
    """An OpenPGP file could not be decrypted; each cause is a subclass."""


class NoGpgProgram(DecryptError):
    """The gpg program is not installed, not found, or its agent does not start."""


class NoSecretKey(DecryptError):
    """The file is encrypted to a key that the keyring does not hold."""


class BadPassphrase(DecryptError):
    """The secret key's passphrase is missing or wrong."""


class DamagedMessage(DecryptError):
    """The message is cut or altered; its plain text is not used."""


class UnprotectedMessage(DamagedMessage):
    """The message has no integrity protection: nobody can tell whether it was altered."""


class NotOpenPGP(DecryptError):
    """The file holds no OpenPGP message."""


class NotEncrypted(NotOpenPGP):
    """The file is OpenPGP, signed or only packed, but not encrypted."""


class DecryptedTooLarge(DecryptError, LimitError):
    """The plain text is larger than the limit allows."""


class PlainTextNotWritten(DecryptError):
    """The plain text could not be written: the disk is full, or the folder is missing or not writable."""


class SettingsError(GreenkitError, ValueError):
    """A setting is missing or wrong."""


class CertificateError(SettingsError):
    """A certificate or its key is missing, expired, or does not match."""


class RemoteError(GreenkitError):
    """A server could not be reached, or refused us."""


class ServerUnavailable(RemoteError):
    """The server does not answer, or says that it cannot now; ``retry_after`` is in seconds if it said so."""

    def __init__(self, problem: str, retry_after: float | None = None, *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after = retry_after


class RateLimited(ServerUnavailable):
    """The server asks for fewer requests; ``retry_after`` is in seconds if it said so."""


class CertificateRejected(RemoteError):
    """The TLS handshake failed on a certificate, theirs or ours."""


class HostRejected(RemoteError):
    """The server's identity (host key, host name, certificate) is not the expected one."""


class LoginRejected(RemoteError):
    """The server refused the user name, password or key; never retried, since that locks accounts."""


class TransferError(RemoteError):
    """A file came incomplete or changed under way."""


class AccessRefused(RemoteError):
    """The server does not let this account read or delete that file, or enter that folder."""


class ClientRejected(RemoteError):
    """The utility does not accept this client's id, secret or registration."""


class StateMismatch(RemoteError):
    """The redirect does not belong to the authorization that was begun."""


class AuthorizationDenied(RemoteError):
    """The customer refused the authorization."""


class AuthorizationExpired(RemoteError):
    """The grant has ended; the customer must authorize again.

    ``final`` where the utility has said so in the words of the standard: the grant is then not tried again.
    """

    def __init__(self, problem: str, *, final: bool = False, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.final = final


class NotReady(RemoteError):
    """The utility has accepted the request and is still preparing the data."""

    def __init__(self, problem: str, retry_after: float | None = None, *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after = retry_after


class BusyError(GreenkitError):
    """Another process holds the lock."""


class NotWritten(GreenkitError, OSError):
    """A file could not be written here: the disk is full, or the folder is not writable."""


class SchemaError(GreenkitError, ValueError):
    """A DataFrame does not have the columns, dtypes or order of a greenkit frame."""
