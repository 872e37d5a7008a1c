"""One pull in a process of its own, to be killed: python pull_once.py JSON."""

import json
import sys

from greenkit import Secret, pgp
from greenkit.transfer._ftps import FtpsRemote
from greenkit.transfer._pull import pull
from greenkit.transfer._remote import Endpoint
from greenkit.transfer._sftp import SftpRemote


def main(job):
    kind = FtpsRemote if job["protocol"] == "ftps" else SftpRemote
    options = dict(job["options"])
    if "password" in options:
        options["password"] = Secret(options["password"])
    remote = kind(Endpoint(job["protocol"], "localhost", job["port"]), **options)
    keyring = pgp.Keyring(job["home"], passphrase=Secret("secret"))
    print("started", flush=True)
    with remote:
        pull(remote, "intervaldata", into=job["into"], pgp=keyring, delete="decrypted")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
