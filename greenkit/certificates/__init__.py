"""Keys and certificates: make what Smart Meter Texas and the utilities ask for, read what one has, check both.

SMT wants one client certificate for each machine, whose common name is the machine's host name: self-signed while
testing, from a public authority in production. Private keys are written as new files that only their owner may read.
"""

from greenkit.certificates._check import Certificate, check_dates, check_host, check_key, pem, public_pem, read
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
    "from_pkcs12",
    "new_certificate",
    "new_request",
    "new_ssh_key",
    "pem",
    "public_pem",
    "public_ssh",
    "read",
    "sign",
    "write_pair",
]
