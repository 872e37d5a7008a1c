"""The simulated file servers of Smart Meter Texas on loopback: FTPS with client certificates, and SFTP.

They are servers of pyftpdlib and asyncssh (the extra ``greenkit[sandbox]``) with an account, a folder for each kind of
file, and deliberate failures, so that clients can be tested against the failures of real servers.
"""

from greenkit.sandbox._file_server import USER, Faults, FileServer
from greenkit.sandbox._ftps_server import FtpsServer
from greenkit.sandbox._sftp_server import SftpServer

__all__ = ["USER", "Faults", "FileServer", "FtpsServer", "SftpServer"]
