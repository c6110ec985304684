"""The worker's connection to LiveKit's server: why it fails, with host and cause, before and while calls are taken.

LiveKit's own line for a failed attempt is an f-string whose cause stands in the record's extras, so a filter of log
lines takes it away; a wrong key is tried 16 times, and a server that accepts and is silent is waited for 5 minutes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
from livekit import api

from medagent.errors import ServerUnreachableError
from medagent.setting_checks import check_address

SCHEMES = ("wss", "ws", "https", "http")
_ANSWER_S = 10.0
_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}
_SERVER_ERROR, _TOO_MANY = 500, 429
_LIVEKIT = "livekit.agents"
_REFUSED = {
    401: "the API key or the API secret is refused",
    403: "the API key has no permission for agents",
    404: "no LiveKit server at this address",
    407: "the proxy asks for a password",
}
_HINTS = {
    401: "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a pair of this server, and check this host's clock",
    403: "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a pair that may register agents",
    407: "set HTTPS_PROXY to the proxy's address with its user and password",
}
_ADDRESS_HINT = "set LIVEKIT_URL to the server's address, as its console shows it"
_log = logging.getLogger(__name__)


def server_name(url: str) -> str:
    """Return scheme, host and port of a server's URL, without anything else that the URL may hold."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    host = parts.hostname or ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS.get(scheme, 443)}"


async def check_server(
    url: str, *, api_key: str, api_secret: str, proxy: str | None = None, answer_s: float = _ANSWER_S
) -> None:
    """Ask the server for a worker's connection and give it back, to know a lasting cause before calls are expected.

    A failure that may pass (nothing listens, a name that does not resolve) is left to LiveKit, which tries again.

    Args:
        url: The server's address, `LIVEKIT_URL`.
        api_key: `LIVEKIT_API_KEY`.
        api_secret: `LIVEKIT_API_SECRET`.
        proxy: The proxy that LiveKit uses, if any.
        answer_s: Seconds after which a server that is silent is named in a warning.

    Raises:
        SettingsError: The address cannot be used.
        ServerUnreachableError: The server or the TLS connection refuses, and will again.
    """
    check_address("LIVEKIT_URL", url, schemes=SCHEMES)
    if proxy:
        check_address("HTTPS_PROXY", proxy, schemes=("http", "https"), is_user_allowed=True)
    token = api.AccessToken(api_key, api_secret).with_grants(api.VideoGrants(agent=True)).to_jwt()
    address = _websocket(url)
    try:
        async with asyncio.timeout(answer_s), aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.ws_connect(address, headers=headers, proxy=proxy or None):
                return
    except TimeoutError:
        server, seconds = server_name(url), round(answer_s)
        _log.warning("LiveKit server %s: no answer within %d s, still waiting. %s", server, seconds, _ADDRESS_HINT)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if _is_lasting(error):
            raise unreachable(url, error) from None


def unreachable(url: str, error: BaseException) -> ServerUnreachableError:
    """Return the error that names the server, the cause of a failed connection, and what to set."""
    status = error.status if isinstance(error, aiohttp.WSServerHandshakeError | aiohttp.ClientHttpProxyError) else None
    hint = _HINTS.get(status or 0, _ADDRESS_HINT)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        hint = "set HTTPS_PROXY to the proxy's address, or unset it"
    elif isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "install the authority's certificate on this host: LiveKit reads SSL_CERT_FILE, not MEDAGENT_CA_FILE"
    elif isinstance(error, aiohttp.ClientConnectorSSLError):
        hint = "set LIVEKIT_URL to a wss:// address with TLS, or to ws:// for a server on this machine"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        hint = f"{_ADDRESS_HINT}, and check this host's name server"
    return ServerUnreachableError(f"LiveKit server {server_name(url)}: {cause_of_failure(error)}", hint=hint)


def cause_of_failure(error: BaseException) -> str:
    """Return why a connection failed, in words without any part of the server's answer."""
    match error:
        case aiohttp.WSServerHandshakeError(status=status):
            other = "the server is not ready" if status >= _SERVER_ERROR else "no LiveKit server at this address"
            return f"{_REFUSED.get(status, other)} (HTTP {status})"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"{_REFUSED.get(status, 'the proxy refused the connection')} (HTTP {status})"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy cannot be reached ({_system_cause(error.os_error)})"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "the certificate is not trusted"
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "the host's name does not resolve"
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return "no TLS on this port, expected TLS for wss"
        case aiohttp.ClientConnectorError():
            return _system_cause(error.os_error)
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the server closed the connection"
        case aiohttp.ClientResponseError():
            return "no HTTP answer on this port, expected TLS (wss) or another port"
        case TimeoutError():
            return "no answer in time"
        case OSError():
            return _system_cause(error)
    return type(error).__name__


def _system_cause(error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused, nothing listens on this port"
        case TimeoutError():
            return "no connection in time"
        case ConnectionResetError():
            return "the server closed the connection"
        case socket.gaierror():
            return "the host's name does not resolve"
    return (error.strerror or type(error).__name__).lower()


def _is_lasting(error: BaseException) -> bool:
    match error:
        case aiohttp.WSServerHandshakeError(status=status) | aiohttp.ClientHttpProxyError(status=status):
            return status < _SERVER_ERROR and status != _TOO_MANY
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientConnectorCertificateError() | ValueError():
            return True
    return False


def _websocket(url: str) -> str:
    parts = urlsplit(url)
    scheme = parts.scheme.lower().replace("http", "ws")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/agent"


class ConnectionLog(logging.Filter):
    """Logs host and cause of each failed attempt that LiveKit logs; remembers the last one.

    It is a filter because only one on the logger sees a record with its extras before a handler or a log filter of the
    process; every record passes it unchanged.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.last: ServerUnreachableError | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass; where it is of a failed attempt, log the cause under our name."""
        error = getattr(record, "error", None)
        if isinstance(error, Exception) and hasattr(record, "retry_count"):
            self.last = unreachable(self._url, error)
            attempt, most = record.retry_count, getattr(record, "max_retry", None)
            if attempt in (1, most) or attempt & (attempt - 1) == 0:
                _log.warning("%s; attempt %s of %s. %s", self.last, attempt, most, self.last.hint)
        return True

    def connected(self, *_: object) -> None:
        """Forget the last failure: the worker is registered."""
        self.last = None

    def install(self) -> None:
        """Listen to LiveKit's log, until `remove`."""
        logging.getLogger(_LIVEKIT).addFilter(self)

    def remove(self) -> None:
        """Listen no more."""
        logging.getLogger(_LIVEKIT).removeFilter(self)
