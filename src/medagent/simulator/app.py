"""The simulator's addresses: the protocol in both dialects, and what tests and players ask and tell it besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from medagent.simulator.azure_realtime import Connection
from medagent.simulator.protocol import Dialect
from medagent.simulator.record import Record
from medagent.simulator.scenario import Scenario
from medagent.simulator.switchboard import Switchboard

PATH = "/openai/v1/realtime"
LEGACY_PATH = "/openai/realtime"
EXPECT_PATH = "/_expect"
_GIVEN = TypeAdapter(list[dict[str, str]])


def build_app(scenarios: Sequence[Scenario], *, pace: float = 1.0, record: Record | None = None) -> web.Application:
    """The server: the protocol at `/openai/v1/realtime`, the beta's at `/openai/realtime`, its record at `/_record`.

    `?model=<deployment>` (beta: `?deployment=`) picks the scenario of that name, any other name the first; a `POST` of
    `{"scenario", "given"}` to `/_expect` gives a deployment for one call. Time runs `pace` times as fast.
    """
    kept = record or Record()
    switchboard = Switchboard(scenarios)

    async def serve(request: web.Request, dialect: Dialect, model: str) -> web.WebSocketResponse:
        if not _authorised(request.headers):
            raise web.HTTPUnauthorized(text="Access denied: an api-key or a bearer token is required.")
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        await Connection(socket, switchboard=switchboard, model=model, dialect=dialect, pace=pace, record=kept).run()
        return socket

    async def realtime(request: web.Request) -> web.WebSocketResponse:
        return await serve(request, "current", request.query.get("model", ""))

    async def legacy_realtime(request: web.Request) -> web.WebSocketResponse:
        if "api-version" not in request.query:
            raise web.HTTPBadRequest(text="The api-version is missing.")
        return await serve(request, "legacy", request.query.get("deployment", ""))

    async def expect(request: web.Request) -> web.Response:
        body = await request.json()
        try:
            deployment = switchboard.expect(body["scenario"], _GIVEN.validate_python(body["given"]))
        except (KeyError, ValidationError):
            raise web.HTTPBadRequest(text="A scenario that is served and what is given to it are required.") from None
        return web.json_response({"deployment": deployment})

    async def served_record(_: web.Request) -> web.Response:
        return web.json_response(kept.document())

    app = web.Application()
    app.router.add_get(PATH, realtime)
    app.router.add_get(LEGACY_PATH, legacy_realtime)
    app.router.add_post(EXPECT_PATH, expect)
    app.router.add_get("/_record", served_record)
    return app


def _authorised(headers: Mapping[str, str]) -> bool:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return bool(headers.get("api-key") or (scheme.lower() == "bearer" and token.strip()))
