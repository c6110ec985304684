"""What the second reader is given – every text that left, each once – and what of its marks a rule explains."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import packages_distributions

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from medagent.alerts.rules import Alerts
from medagent.attestation.report import Mark
from medagent.attestation.report import SecondReader as Part
from medagent.audit.capture import Document, inflated
from medagent.audit.evidence import Evidence
from medagent.audit.log_lines import log_message
from medagent.audit.planted import Planted
from medagent.audit.second_reader import SecondReader, Text
from medagent.audit.settle import MACHINE_SHAPES, Shape, declared_shapes, matching, moment, settle
from medagent.proof import Json
from medagent.redaction import Action, Policy, Rule
from medagent.telemetry.span import SafeSpan

_CALLS_SHOWN = 3
_LOGGED = re.compile(
    r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<logger>\S+) (?P<said>.*)"
)
_SLACK = timedelta(seconds=5)
_HOUSE = ("clinic", "somebody")
_OF_AN_ALERT = (
    r"(\d+(\.\d+)?|%|s|min|h|d|dollars|no figure|over|at or under|for|now|in|calls|turns|tool runs|failed|[ ,()]|%)+"
)
_CALL_OF_AN_ALERT = r"[0-9a-f]{8}( at \d\d:\d\d)?(, \d+(\.\d+)? (s|dollars))?"
_WORST_CALLS = (
    rf"( Worst: {_CALL_OF_AN_ALERT}(; {_CALL_OF_AN_ALERT}){{0,2}}\.)?"
    r" Look: medagent trace (show --timeline [0-9a-f]{8}|list --(slow|failed|sort cost))\."
)
_METRICS = (
    "gen_ai.invoke_agent.duration",
    "gen_ai.client.operation.duration",
    "gen_ai.client.token.usage",
    "gen_ai.execute_tool.duration",
    "gen_ai.server.time_to_first_token",
    "medagent.errors",
    "medagent.tokens",
    "medagent.tokens.cached",
)
"""All metrics over OTLP; the exporter's own list is not asked."""
_SCHEMA = "https://opentelemetry.io/schemas/gen-ai/0.1.0"
_PART = re.compile(rb"\r\n\r\n(.*?)\r\n--", re.DOTALL)
_YEAR = re.compile(r"(19|20)\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The report's part, and each mark's own words, which go into the officer's annex alone."""

    part: Part
    words: Mapping[str, str] = field(repr=False)


def read_texts(evidence: Evidence, planted: Sequence[Planted], *, policy: Policy, alerts: Alerts) -> Read:
    """Read all of it; how well the reader sees is measured on what was planted in the first calls.

    Raises `UnreadTextError` where a text took too long to be read to its end.
    """
    shapes, kept = [*MACHINE_SHAPES, *declared_shapes(policy, evidence.rosters)], dict[tuple[str, str], Rule]()
    texts: dict[tuple[str, str], None] = {}
    for spans in evidence.chains.values():
        for span in spans:
            for path, rule, text in _of_span(span, policy):
                texts[path, text] = None
                if rule is not None and rule.action is Action.KEEP:
                    kept[path, rule.name] = rule
    shapes += [_year(path, rule) for (path, _), rule in kept.items() if rule.condition is not None]
    shapes += [moment("a time of the run", evidence.started - _SLACK, evidence.ended + _SLACK), *_envelope(alerts)]
    sealed = {text for _, text in texts}
    texts |= {text: None for text in _beside(evidence.documents) if text[1] not in sealed}
    anywhere = [shape for shape in shapes if not shape.path.pattern]
    unplain = [(path, text) for path, text in texts if not any(shape.fits(text) for shape in anywhere)]
    reader = SecondReader()
    marks = reader.read(Text(path=path, text=text) for path, text in dict.fromkeys(unplain))
    settled = settle(marks, shapes)
    found: dict[str, Mark] = {}
    words: dict[str, str] = {}
    for number, one in enumerate(sorted(settled, key=lambda one: (one.mark.path, one.mark.text, one.mark.start)), 1):
        mark_id = f"mark-{number:04}"
        found[mark_id] = Mark(
            mark_id=mark_id,
            path=one.mark.path,
            kind=one.mark.kind,
            score=round(one.mark.score, 2),
            settled=one.settled,
            rule=one.rule,
        )
        if one.settled == "open":
            words[mark_id] = one.mark.text
    shown = [one for one in planted if one.call < _CALLS_SHOWN]
    part = Part(
        engine="presidio-analyzer, without a model, and detectors of the audit's own",
        recognisers=reader.recognisers,
        texts=len(texts),
        sensitivity=reader.sensitivity(shown),
        marks=tuple(found.values()),
    )
    return Read(part=part, words=words)


def _year(path: str, rule: Rule) -> Shape:
    """What is left of a kept date beside a patient's id."""
    return matching(f"{rule.name}: the year alone", _YEAR.pattern, path=rf"^{re.escape(path)}$")


def _of_span(span: SafeSpan, policy: Policy) -> Iterator[tuple[str, Rule | None, str]]:
    for steps, text in _leaves(dict(span.fields), ()):
        yield f"{span.name}.{'.'.join(map(str, steps))}", policy.rule_for(span.name, steps), text


def _leaves(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    elif isinstance(value, str):
        yield path, value


def _beside(documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """The texts in bodies and lines: what a client or a library added to the spans' own stands out here."""
    for document in documents:
        match document.channel:
            case "stderr" | "stdout":
                for line in document.raw.decode("utf-8", "replace").splitlines():
                    yield from _of_line(document.channel, line)
            case "langsmith" if document.path.endswith("body"):
                for match in _PART.finditer(inflated(document.raw)):
                    yield from _of_json("langsmith", match[1])
            case "otlp" if document.is_metrics:
                yield from _of_metrics(document.channel, document.raw)
            case "otlp" | "langfuse" if document.path.endswith("body"):
                yield from _of_otlp(document.channel, document.raw)
            case "slack" | "pagerduty" if document.path.endswith("body"):
                yield from _of_json(document.channel, document.raw)


def _of_line(channel: str, line: str) -> Iterator[tuple[str, str]]:
    """A JSON line's own strings; of any other line what was said, and by which logger, without level and moment."""
    if line.startswith("{"):
        yield from _of_json(channel, line.encode())
    elif logged := _LOGGED.fullmatch(line):
        yield f"{channel} logger", logged["logger"]
        yield f"{channel} line", logged["said"]
    elif line:
        yield f"{channel} line", line


def _of_json(channel: str, raw: bytes) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(raw)
    except ValueError:
        yield f"{channel} body", raw.decode("utf-8", "replace")
        return
    for path, text in _leaves(value, ()):
        where = f"{channel}.{'.'.join(map(str, path))}"
        yield from _of_text(where, text)


def _of_text(where: str, text: str) -> Iterator[tuple[str, str]]:
    """A text, or what stands in it where it is JSON itself, as OTLP's attributes are."""
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except ValueError:
            yield where, text
            return
        for path, inner in _leaves(value, ()):
            yield f"{where}.{'.'.join(map(str, path))}", inner
    elif text:
        yield where, text


def _of_otlp(channel: str, raw: bytes) -> Iterator[tuple[str, str]]:
    try:
        request = ExportTraceServiceRequest.FromString(raw)
    except DecodeError:
        yield f"{channel} body", raw.decode("utf-8", "replace")
        return
    for resource in request.resource_spans:
        for pair in resource.resource.attributes:
            yield f"{channel}.resource.{pair.key}", pair.value.string_value
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield f"{channel}.name", span.name
            yield f"{channel}.status", span.status.message
            for pair in span.attributes:
                for value in (pair.value, *pair.value.array_value.values):
                    yield from _of_text(f"{channel}.{pair.key}", value.string_value)


def _of_metrics(channel: str, raw: bytes) -> Iterator[tuple[str, str]]:
    """Every text in a request with metrics: names, units, descriptions, attributes."""
    try:
        request = ExportMetricsServiceRequest.FromString(raw)
    except DecodeError:
        yield f"{channel} metrics body", raw.decode("utf-8", "replace")
        return
    pending: list[tuple[str, Message]] = [(f"{channel}.metrics", request)]
    while pending:
        path, message = pending.pop()
        if isinstance(message, KeyValue):
            yield f"{path}.{message.key}", message.value.string_value
            continue
        for part, value in message.ListFields():
            for one in value if part.is_repeated else (value,):
                if isinstance(one, Message):
                    pending.append((f"{path}.{part.name}", one))
                elif isinstance(one, str):
                    yield f"{path}.{part.name}", one


def _envelope(alerts: Alerts) -> list[Shape]:
    """What a client, a logger, an alert, the redactor write beside the values: names, orders, modules, notices."""
    titles = "|".join(re.escape(rule.title) for rule in alerts.rules)
    modules = {*sys.stdlib_module_names, *packages_distributions(), "medagent", *_HOUSE}
    moment, uuid = r"\d{8}T\d{12}Z", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    return [
        matching(
            "the name of a metric", rf"({'|'.join(map(re.escape, _METRICS))})", path=r"^otlp\.metrics\.(\w+\.)*name$"
        ),
        matching("the schema of metrics", re.escape(_SCHEMA), path=r"^otlp\.metrics\.(\w+\.)*schema_url$"),
        matching("LangSmith's order", rf"{moment}{uuid}(\.{moment}{uuid})*", path=r"^langsmith\.dotted_order$"),
        matching("a log line's id", rf"{uuid}\.[a-z_]{{3,20}}(\.\d{{1,2}})?", path=r"^stdout\._id$"),
        matching(
            "an alert's notice",
            rf"\[(DEV|PROD)\]\[OBS\] (Cleared: )?({titles}): {_OF_AN_ALERT}, at 20\d\d-\d\d-\d\d \d\d:\d\d UTC\."
            rf"({_WORST_CALLS})? Incident [0-9a-f]{{12}}\.",
            path=r"^(slack|pagerduty)\.",
        ),
        matching("a title before a placeholder", r"(Doctor|Dr\.?|Mr\.?|Mrs\.?|Ms\.?|Miss) <[A-Z]{4,20}>", inside=True),
        matching(
            "placeholders and what stands between them",
            r"(<[A-Z]{4,20}>|\b(colon|slash|dot|at|dash|hyphen|underscore)\b|[ .,:/…-])+",
        ),
        Shape(
            rule="a logger of an installed module",
            fits=lambda value: (
                re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", value) is not None and value.partition(".")[0] in modules
            ),
            path=re.compile(r" logger$"),
        ),
        log_message(),
    ]
