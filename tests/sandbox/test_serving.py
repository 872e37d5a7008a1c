"""The WSGI server of the sandbox."""

import gc
import socket
import sys

from cheroot.makefile import MakeFile

from greenkit.sandbox import _serving


def test_lost_client_leaves_no_open_writer(monkeypatch):
    ours, theirs = socket.socketpair()
    connection = _serving._Connection(_serving._QuietServer(("127.0.0.1", 0), _serving._not_yet), ours, MakeFile)
    connection.wfile.raw.write = lambda data: (_ for _ in ()).throw(BrokenPipeError())
    connection.wfile._write_buf += b"an answer that nobody takes"
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    theirs.close()
    connection.close()
    assert connection.wfile.closed
    del connection
    gc.collect()
    assert not said
