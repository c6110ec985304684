"""The simulator's addresses: the realtime protocol in both dialects, OpenAI's interfaces of a pipeline, its record."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from medagent.simulator.azure_realtime import Connection
from medagent.simulator.pipeline import Pipeline, check_key
from medagent.simulator.protocol import Dialect
from medagent.simulator.record import Record
from medagent.simulator.scenario import Scenario
from medagent.simulator.switchboard import Call, Switchboard

PATH = "/openai/v1/realtime"
LEGACY_PATH = "/openai/realtime"
EXPECT_PATH = "/_expect"
FAILED_PATH = "/_failed"
CALLS_PATH = "/_calls"
_GIVEN = TypeAdapter(list[dict[str, str]])
_LARGEST_BODY = 64 * 1024**2
_IDS = TypeAdapter(list[str])
_SERVED = "chat/completions, audio/transcriptions, audio/speech, realtime"


def build_app(scenarios: Sequence[Scenario], *, pace: float = 1.0, record: Record | None = None) -> web.Application:
    """The server: Azure's realtime protocol at `/openai/v1/realtime`, the beta's at `/openai/realtime`.

    `?model=<deployment>` (beta: `?deployment=`) picks the scenario of that name, any other name the first; a `POST` of
    `{"scenario", "given"}` to `/_expect` gives a deployment for one call. OpenAI's interfaces – chat completions,
    transcriptions over HTTP and WebSocket, speech, realtime – are at `/calls/<deployment>/v1`, at `/v1` those of the
    first scenario. A `POST` of `{"deployment", "call_ids"}` to `/_failed` names tool calls that failed, and
    `/_calls/<deployment>` counts the requests of a call by part. Time runs `pace` times as fast.
    """
    kept = record or Record()
    switchboard = Switchboard(scenarios)

    async def serve(
        request: web.Request, dialect: Dialect, model: str, call: Call, *, transcribes: bool = False
    ) -> web.WebSocketResponse:
        check_key(request)
        call.requests["stt" if transcribes else "realtime"] += 1
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        await Connection(
            socket,
            switchboard=switchboard,
            model=model,
            dialect=dialect,
            pace=pace,
            record=kept,
            call=call,
            transcribes=transcribes,
        ).run()
        return socket

    def pipeline_call(request: web.Request) -> Call:
        return switchboard.pipeline(request.match_info.get("call", ""))

    async def realtime(request: web.Request) -> web.WebSocketResponse:
        model = request.query.get("model", "")
        deployment = request.match_info.get("call", model)
        if request.query.get("intent") == "transcription":
            return await serve(request, "current", model, switchboard.pipeline(deployment), transcribes=True)
        return await serve(request, "current", model, switchboard.realtime(deployment))

    async def legacy_realtime(request: web.Request) -> web.WebSocketResponse:
        if "api-version" not in request.query:
            raise web.HTTPBadRequest(text="The api-version is missing.")
        deployment = request.query.get("deployment", "")
        return await serve(request, "legacy", deployment, switchboard.realtime(deployment))

    async def expect(request: web.Request) -> web.Response:
        body = await request.json()
        try:
            deployment = switchboard.expect(body["scenario"], _GIVEN.validate_python(body["given"]))
        except (KeyError, ValidationError):
            raise web.HTTPBadRequest(text="A scenario that is served and what is given to it are required.") from None
        return web.json_response({"deployment": deployment})

    async def failed(request: web.Request) -> web.Response:
        body = await request.json()
        try:
            switchboard.expected(body["deployment"]).failed(_IDS.validate_python(body["call_ids"]))
        except (KeyError, ValidationError):
            raise web.HTTPBadRequest(text="An expected deployment and ids of its tool calls are required.") from None
        return web.json_response({})

    async def counted(request: web.Request) -> web.Response:
        try:
            return web.json_response(switchboard.expected(request.match_info["call"]).requests)
        except KeyError:
            raise web.HTTPNotFound(text="No such call was expected.") from None

    async def unknown(request: web.Request) -> web.Response:
        message = f"{request.method} {request.match_info['rest']} is not simulated; there are: {_SERVED}"
        return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=404)

    async def served_record(_: web.Request) -> web.Response:
        return web.json_response(kept.document())

    app = web.Application(client_max_size=_LARGEST_BODY)
    pipeline = Pipeline(pipeline_call, pace=pace, record=kept)
    for prefix in ("/v1", "/calls/{call}/v1"):
        app.router.add_get(f"{prefix}/realtime", realtime)
        app.router.add_routes(pipeline.routes(prefix))
        app.router.add_route("*", prefix + "/{rest:.*}", unknown)
    app.router.add_routes(pipeline.routes("/openai/deployments/{call}"))
    app.router.add_post(FAILED_PATH, failed)
    app.router.add_get(CALLS_PATH + "/{call}", counted)
    app.router.add_get(PATH, realtime)
    app.router.add_get(LEGACY_PATH, legacy_realtime)
    app.router.add_post(EXPECT_PATH, expect)
    app.router.add_get("/_record", served_record)
    return app
