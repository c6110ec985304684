"""Connections leave the loopback only to named hosts, whichever client makes them; a refused one is named."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address

import aiohttp
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from medagent.simulator.network_guard import HostNotAllowedError, NetworkGuard

pytestmark = pytest.mark.timing

FAR = "192.0.2.7"
"""An address of documentation, RFC 5737: nobody has it."""


@pytest.fixture
def server() -> Iterator[int]:
    """A port of this host that takes connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def connect_ex(host: str) -> None:
    with closing(socket.socket()) as sock:
        sock.connect_ex((host, 80))


def send_datagram(host: str) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.sendto(b"x", (host, 53))


def on_a_loop(host: str) -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection(host, 80), 60))


def with_aiohttp(host: str) -> None:
    async def get() -> None:
        async with aiohttp.ClientSession() as http:
            await http.get(f"http://{host}/")

    asyncio.run(get())


CLIENTS: dict[str, Callable[[str], object]] = {
    "create_connection": lambda host: socket.create_connection((host, 80), timeout=60),
    "connect_ex": connect_ex,
    "sendto": send_datagram,
    "gethostbyname": socket.gethostbyname,
    "urllib": lambda host: urllib.request.urlopen(f"http://{host}/", timeout=60),
    "requests": lambda host: requests.get(f"http://{host}/", timeout=60),
    "asyncio": on_a_loop,
    "aiohttp": with_aiohttp,
}


@pytest.mark.parametrize("host", [FAR, "example.com", "EXAMPLE.com."])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_connection_elsewhere_is_refused_and_named(client: str, host: str) -> None:
    """By address or by name; the client sees an error of a connection, as it knows to handle."""
    with (
        NetworkGuard() as guard,
        pytest.raises((OSError, aiohttp.ClientError, urllib.error.URLError, requests.ConnectionError)),
    ):
        CLIENTS[client](host)
    assert guard.refused == (host.casefold().rstrip("."),)


def test_the_loopback_is_free_and_so_are_named_hosts(server: int) -> None:
    """Under each of its names; an allowed host may be resolved, and its address connected to, nothing else."""
    with NetworkGuard(["localhost.example", "192.0.2.1"]) as guard:
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"):
            socket.create_connection((host, server), timeout=60).close()
        here, there = socket.socketpair()
        here.close()
        there.close()
        with closing(socket.socket()) as sock:
            sock.setblocking(False)
            with pytest.raises(OSError, match=r".") as caught:
                sock.connect(("192.0.2.1", 80))
        assert not isinstance(caught.value, HostNotAllowedError)
        with pytest.raises(HostNotAllowedError):
            socket.create_connection((FAR, 80), timeout=60)
        with pytest.raises(OSError, match=r".") as unknown:  # the name is allowed, but nobody has it
            socket.create_connection(("localhost.example", 80), timeout=60)
        assert not isinstance(unknown.value, HostNotAllowedError)
    assert guard.refused == (FAR,)


def test_an_allowed_name_allows_the_address_that_it_had(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client resolves first and connects to an address later."""
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (FAR, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: resolved)
    with NetworkGuard(["Shop.example"]) as guard, closing(socket.socket()) as sock:
        sock.setblocking(False)
        assert socket.getaddrinfo("shop.example", 80) == resolved
        with pytest.raises(OSError, match=r".") as caught:
            sock.connect((FAR, 80))
    assert not isinstance(caught.value, HostNotAllowedError)
    assert guard.refused == ()


def test_threads_are_guarded_and_the_end_frees_all(server: int) -> None:
    """A tool may run on any thread; what is after the block is nobody's business."""
    refused: list[bool] = []

    def run() -> None:
        try:
            connect_ex(FAR)
        except HostNotAllowedError:
            refused.append(True)

    before = socket.getaddrinfo
    with NetworkGuard() as guard:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert (refused, guard.refused) == ([True], (FAR,))
    assert socket.getaddrinfo is before
    with closing(socket.socket()) as sock:
        sock.setblocking(False)
        assert sock.connect_ex((FAR, 80)) != 0


@given(address=st.ip_addresses())
def test_only_the_loopback_needs_no_name(address: IPv4Address | IPv6Address) -> None:
    """Whatever the address: it is the loopback's, nobody's (a connection to this host), or refused."""
    text = str(address)
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    plain = getattr(address, "ipv4_mapped", None) or address
    is_free = plain.is_loopback or plain.is_unspecified
    with NetworkGuard() as guard, closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
        try:
            guard.check("socket.connect", (sock, (text, 9)))
        except HostNotAllowedError:
            assert not is_free
        else:
            assert is_free
