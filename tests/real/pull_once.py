"""One pull in a process of its own, to be killed: python pull_once.py JSON."""

import json
import sys

from greenkit import Secret, pgp
from greenkit.errors import BusyError
from greenkit.transfer.ftps import FtpsRemote
from greenkit.transfer.pull import pull
from greenkit.transfer.remote import Endpoint
from greenkit.transfer.sftp import SftpRemote

job = json.loads(sys.argv[1])
kind = FtpsRemote if job["protocol"] == "ftps" else SftpRemote
options = dict(job["options"])
for name in {"password"} & options.keys():
    options[name] = Secret(options[name])
remote = kind(Endpoint(job["protocol"], "localhost", job["port"]), **options)
keyring = pgp.Keyring(job["home"], passphrase=Secret("secret"))
print("started", flush=True)
try:
    with remote:
        pull(remote, "intervaldata", into=job["into"], pgp=keyring, delete="decrypted")
except BusyError:
    sys.exit(75)
