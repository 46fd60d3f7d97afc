# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""An address that can be pointed elsewhere, or cut off: a relay of TCP connections on the loopback."""

import socket
import threading
from contextlib import suppress

PIECE = 1 << 16


class Relay:
    """Whoever connects to `port` is connected to `target`, a port of the loopback; to nothing where it is None."""

    def __init__(self, target):
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def point_at(self, target):
        """Break all connections; new ones lead to `target`."""
        self.target = target
        for connection in list(self._open):
            _shut(connection)

    def close(self):
        self.point_at(None)
        _shut(self._listener)
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            other = socket.create_connection(("127.0.0.1", self.target)) if self.target else None
        except OSError:
            other = None
        if other is None:
            connection.close()
            return
        self._open |= {connection, other}
        back = threading.Thread(target=_copy, args=(other, connection), daemon=True)
        back.start()
        _copy(connection, other)
        back.join()
        self._open -= {connection, other}
        connection.close()
        other.close()


def _copy(source, target):
    with suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    _shut(source)
    _shut(target)


def _shut(connection):
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
