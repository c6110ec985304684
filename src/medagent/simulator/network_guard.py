"""Connections of this process leave the loopback only to hosts that are named; each refused one is remembered.

Python reports every connection of its `socket` module to an audit hook before it is made: sockets, asyncio, requests,
httpx, aiohttp and gRPC's Python resolver go through it. Not covered are other processes that the agent starts, and C or
Rust extensions with sockets of their own, such as LiveKit's media transport, gRPC, database drivers in C and uvloop.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOK_UPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})
_RESOLVING = ("connect", "connect_ex", "sendto")
"""Methods of a socket that take an address as their last argument and resolve a name in it."""
_LOCAL = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost", "broadcasthost"})
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
_ON_THIS_HOST = frozenset(getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK") if hasattr(socket, name))


class HostNotAllowedError(ConnectionRefusedError):
    """A connection to a host that is not allowed."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.ECONNREFUSED, f"{host}: connection refused, expected a host of --allow-host")


class NetworkGuard:
    """Refuses connections to other hosts than these while the block lasts, in every thread.

    Args:
        allowed: Names or addresses of hosts, exactly as the program names them.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = {_plain(host) for host in allowed}
        self._addresses: set[str] = set()
        self._refused: set[str] = set()
        self._here = threading.local()
        self._look_up: Callable[..., Any] | None = None
        self._wrapped: dict[str, Any] = {}

    @property
    def refused(self) -> tuple[str, ...]:
        """The hosts to which a connection was refused, in alphabetical order."""
        return tuple(sorted(self._refused))

    def __enter__(self) -> Self:
        """Begin to refuse."""
        self._look_up = socket.getaddrinfo
        socket.getaddrinfo = self._getaddrinfo
        for method in _RESOLVING:
            self._wrap(method)
        _guards.append(self)
        _install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Allow all again."""
        _guards.remove(self)
        for method, before in self._wrapped.items():
            if before is None:
                delattr(socket.socket, method)
            else:
                setattr(socket.socket, method, before)
        if socket.getaddrinfo == self._getaddrinfo and self._look_up is not None:
            socket.getaddrinfo = self._look_up

    def _getaddrinfo(self, host: Any, *rest: Any, **options: Any) -> Any:
        """Remember the addresses of an allowed host: a connection is made to one of them."""
        assert self._look_up is not None  # noqa: S101  # it is set while this is in place
        found = self._look_up(host, *rest, **options)
        if _plain(host) in self._allowed:
            self._addresses.update(str(entry[4][0]) for entry in found)
        return found

    def _wrap(self, method: str) -> None:
        """Check a socket's own method before it resolves a name, which its audit event does not come before."""
        self._wrapped[method] = vars(socket.socket).get(method)
        inner = getattr(socket.socket, method)

        def checked(sock: socket.socket, *arguments: Any) -> Any:
            if arguments:
                self.check("socket.connect", (sock, arguments[-1]))
            return inner(sock, *arguments)

        setattr(socket.socket, method, checked)

    def check(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raise `HostNotAllowedError` where an event of the `socket` module would leave the allowed hosts."""
        if getattr(self._here, "is_asking", False):
            return
        if event in _LOOK_UPS:
            first = arguments[0]
            host = _plain(first[0] if isinstance(first, tuple) and first else first)
        else:
            sock, address = arguments[0], arguments[1]
            if address is None or sock.family in _ON_THIS_HOST:
                return
            is_named = sock.family in _INTERNET and isinstance(address, tuple) and bool(address)
            host = _plain(address[0]) if is_named else f"a socket of family {int(sock.family)}"
        if not self._is_allowed(host):
            self._refused.add(host)
            raise HostNotAllowedError(host)

    def _is_allowed(self, host: str) -> bool:
        if host in _LOCAL or host in self._allowed or host == _plain(socket.gethostname()):
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return plain.is_loopback or plain.is_unspecified or host in self._addresses or self._resolves_to(host)

    def _resolves_to(self, address: str) -> bool:
        """Whether an allowed host has this address, for clients with a resolver of their own."""
        self._here.is_asking = True
        try:
            for host in self._allowed:
                try:
                    socket.getaddrinfo(host, None)
                except OSError:
                    continue
            return address in self._addresses
        finally:
            self._here.is_asking = False


_guards: list[NetworkGuard] = []
_installed: list[bool] = []


def _install() -> None:
    """Add the hook once: Python takes none away."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _guards and (event in _CONNECTS or event in _LOOK_UPS):
        for guard in tuple(_guards):
            guard.check(event, arguments)


def _plain(host: object) -> str:
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    return str(host or "").strip("[]").rstrip(".").casefold()
