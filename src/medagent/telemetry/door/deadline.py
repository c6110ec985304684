"""Connections whose every read and write ends at one deadline.

A time limit of each read lets a destination answer without end: one header line every few seconds, endless trailers,
`100 Continue` again and again. Here each operation of a socket gets what is left of the whole exchange.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """The moment at which an exchange ends; for one thread at a time. Before the first `begin` there is none."""

    def __init__(self) -> None:
        self._at = float("inf")

    def begin(self, seconds: float) -> None:
        """Set the deadline of the next exchange, in seconds from now."""
        self._at = time.monotonic() + seconds

    def bound(self, sock: socket.socket) -> None:
        """Shorten a socket's time limit to what is left; raises `TimeoutError` where nothing is left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange was not complete in time")
        if left < float("inf"):
            limit = sock.gettimeout()
            sock.settimeout(left if limit is None else min(limit, left))


class _PlainSocket(socket.socket):
    deadline: Deadline

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        self.deadline.bound(self)
        return super().recv_into(*arguments, **options)

    def sendall(self, *arguments: Any, **options: Any) -> None:
        self.deadline.bound(self)
        super().sendall(*arguments, **options)


class _TlsSocket(ssl.SSLSocket):
    deadline: Deadline

    def read(self, *arguments: Any, **options: Any) -> Any:
        self.deadline.bound(self)
        return super().read(*arguments, **options)

    def send(self, *arguments: Any, **options: Any) -> int:
        self.deadline.bound(self)
        return super().send(*arguments, **options)

    def do_handshake(self, *arguments: Any, **options: Any) -> None:
        self.deadline.bound(self)
        super().do_handshake(*arguments, **options)


class DeadlineAdapter(HTTPAdapter):
    """Makes connections that end at a deadline, without a retry and without a TLS setting of the environment."""

    def __init__(self, deadline: Deadline, *, ca_pem: bytes | None) -> None:
        """`ca_pem` holds certificates that are trusted beside the public ones."""
        self._deadline = deadline
        self._ca_pem = ca_pem
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool of connections."""
        deadline = self._deadline

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _bounded(super()._new_conn(), deadline)

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _bounded(super()._new_conn(), deadline)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        super().init_poolmanager(*arguments, **options, ssl_context=_context(deadline, self._ca_pem))
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}


def _bounded(connected: socket.socket, deadline: Deadline) -> socket.socket:
    limit = connected.gettimeout()
    made = _PlainSocket(connected.family, connected.type, connected.proto, fileno=connected.detach())
    made.settimeout(limit)
    made.deadline = deadline
    return made


def _context(deadline: Deadline, ca_pem: bytes | None) -> ssl.SSLContext:
    """A client's context; that of urllib3 would write its keys to the file of SSLKEYLOGFILE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = type("TlsSocket", (_TlsSocket,), {"deadline": deadline})
    if ca_pem is not None:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    return context
