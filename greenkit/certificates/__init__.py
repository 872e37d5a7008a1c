"""Keys and certificates: make the ones that Smart Meter Texas and the utilities require, read and check existing ones.

SMT requires one client certificate for each machine, with the machine's host name as its common name: self-signed for
testing, from a public authority for production. Private keys are written as new files that only their owner can read.
"""

from greenkit.certificates._check import (
    Certificate,
    check_dates,
    check_host,
    check_key,
    check_type,
    is_pem,
    pem,
    public_pem,
    read,
    read_private_key,
)
from greenkit.certificates._make import (
    DAYS,
    RSA_BITS,
    Pair,
    from_pkcs12,
    new_certificate,
    new_request,
    new_ssh_key,
    public_ssh,
    sign,
    write_pair,
)

__all__ = [
    "DAYS",
    "RSA_BITS",
    "Certificate",
    "Pair",
    "check_dates",
    "check_host",
    "check_key",
    "check_type",
    "from_pkcs12",
    "is_pem",
    "new_certificate",
    "new_request",
    "new_ssh_key",
    "pem",
    "public_pem",
    "public_ssh",
    "read",
    "read_private_key",
    "sign",
    "write_pair",
]
