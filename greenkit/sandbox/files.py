"""The pretend file servers of Smart Meter Texas on loopback: FTPS with client certificates, and SFTP.

They are pyftpdlib's and asyncssh's servers (the extra ``greenkit[sandbox]``) with an account, a folder for each kind
of file, and switches to misbehave as real servers do, so that clients can be tried against that.
"""

from greenkit.sandbox._file_server import USER, Faults, FileServer
from greenkit.sandbox._ftps_server import FtpsServer
from greenkit.sandbox._sftp_server import SftpServer

__all__ = ["USER", "Faults", "FileServer", "FtpsServer", "SftpServer"]
