"""TLS for file servers: settings that verify the server and show our certificate, and what a failed handshake means."""

from __future__ import annotations

import ssl
import warnings
from typing import Final

from greenkit import _files, certificates
from greenkit.errors import CertificateError, CertificateRejected, HostRejected, RemoteError, SettingsError
from greenkit.secret import Secret
from greenkit.transfer._remote import Endpoint

TLS_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

# ssl.SSLError.reason, by what the user does next
_OURS_REFUSED: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate: give certificate= and key=",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know who signed the client certificate: have it installed there",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired: make a new one and have it installed there",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the client certificate was revoked: make a new one and have it installed there",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept the client certificate: have it installed there",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept the client certificate: see its dates and this machine's clock",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the client certificate is of the wrong kind: make one for clients",
    "TLSV1_ALERT_ACCESS_DENIED": "it does not accept the client certificate: have it installed there",
}
_NO_COMMON_TLS: Final = {
    "WRONG_VERSION_NUMBER": "it did not answer in TLS: a proxy or another service may stand in between",
    "TLSV1_ALERT_PROTOCOL_VERSION": 'it only has an old TLS: if you must, allow it with minimum_tls="1.0"',
    "UNSUPPORTED_PROTOCOL": 'it only has an old TLS: if you must, allow it with minimum_tls="1.0"',
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "there is no cipher in common, or it wants a client certificate: give one, "
    'or allow old ciphers with minimum_tls="1.0"',
    "NO_SHARED_CIPHER": 'there is no cipher in common: if you must, allow old ones with minimum_tls="1.0"',
}
_SERVERS_OWN: Final = {  # X509_V_ERR_…, of ssl.SSLCertVerificationError.verify_code
    10: "has expired: ask SMT to renew it",
    9: "is not valid yet: see this machine's clock",
    18: "is self-signed: give it as ca_file=, if you got it from SMT itself",
    19: "is signed by an authority that is not trusted here: give that one as ca_file=",
    20: "is signed by an authority that is not trusted here: give that one as ca_file=",
    21: "cannot be verified: its chain is incomplete; give the missing authority as ca_file=",
    62: "is for another host name: see that the name is right",
    64: "is for another address: give the server's name",
}


def tls_context(
    *,
    ca_file: _files.StrPath | None = None,
    certificate: _files.StrPath | None = None,
    key: _files.StrPath | None = None,
    key_password: Secret | None = None,
    minimum_tls: str = "1.2",
) -> ssl.SSLContext:
    """Make the TLS settings of a client that verifies the server and shows its own certificate.

    Parameters
    ----------
    ca_file : path, optional
        Authorities (or the one server certificate) to trust, in place of the system's.
    certificate, key : path, optional
        The client's, PEM; without ``key`` it stands in the certificate's file.
    key_password : Secret, optional
        Of the key's file; it is never asked for on the terminal.
    minimum_tls : {"1.2", "1.3", "1.1", "1.0"}
        Below 1.2 old ciphers are allowed with it; the server is verified all the same.

    Raises
    ------
    CertificateError
        A file is missing, is not PEM, or does not match.
    """
    if minimum_tls not in TLS_VERSIONS:
        raise SettingsError(f"minimum_tls is {minimum_tls!r}: give one of {', '.join(TLS_VERSIONS)}")
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as e:
        why = e.strerror if not isinstance(e, ssl.SSLError) else "it holds no certificate in PEM"
        raise CertificateError(f"the authorities' file {ca_file} cannot be used ({why}): name the right one") from None
    if minimum_tls in ("1.0", "1.1"):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():  # that it is old is what the caller just said
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = TLS_VERSIONS[minimum_tls]
    else:
        context.minimum_version = TLS_VERSIONS[minimum_tls]
    if certificate is not None:
        certificates.check_key(certificate, key, key_password)
        # a callable, since without one OpenSSL would ask on the terminal
        context.load_cert_chain(certificate, key, lambda: key_password.reveal().encode() if key_password else b"")
    return context


def handshake_error(endpoint: Endpoint, e: Exception) -> RemoteError | None:
    """Say what an error of a TLS handshake means, theirs or ours; None where it does not say."""
    if isinstance(e, ssl.SSLCertVerificationError):
        fault = _SERVERS_OWN.get(e.verify_code, f"cannot be verified ({e.verify_message}): ask SMT what it is")
        return HostRejected(f"the certificate that {endpoint} shows {fault}")
    reason = getattr(e, "reason", None) or ""
    # OpenSSL 3.2 and later write TLSV1_ALERT_… for what was SSLV3_ALERT_…
    names = {reason, reason.replace("TLSV1_ALERT", "SSLV3_ALERT"), reason.replace("SSLV3_ALERT", "TLSV1_ALERT")}
    for name in sorted(names):
        if name in _OURS_REFUSED:
            return CertificateRejected(f"{endpoint} ends the TLS handshake: {_OURS_REFUSED[name]}")
        if name in _NO_COMMON_TLS:
            return RemoteError(f"{endpoint} and this machine find no common TLS: {_NO_COMMON_TLS[name]}")
    return None
