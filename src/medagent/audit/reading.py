"""What the second reader is given – every text that left, each once – and what of its marks a rule explains."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from medagent.attestation.report import Mark
from medagent.attestation.report import SecondReader as Part
from medagent.audit.capture import Document, inflated
from medagent.audit.evidence import Evidence
from medagent.audit.planted import Planted
from medagent.audit.second_reader import SecondReader, Text
from medagent.audit.settle import MACHINE_SHAPES, Shape, settle
from medagent.proof import Json
from medagent.redaction import Action, Policy, Rule
from medagent.telemetry.span import SafeSpan

_CALLS_SHOWN = 3
_STAMP = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", re.ASCII)
_PART = re.compile(rb"\r\n\r\n(.*?)\r\n--", re.DOTALL)
_YEAR = re.compile(r"(19|20)\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The report's part, and each mark's own words, which go into the officer's annex alone."""

    part: Part
    words: Mapping[str, str] = field(repr=False)


def read_texts(
    evidence: Evidence, planted: Sequence[Planted], policy: Policy, rosters: Mapping[str, frozenset[str]]
) -> Read:
    """Read all of it; how well the reader sees is measured on what was planted in the first calls.

    Raises `UnreadTextError` where a text took too long to be read to its end.
    """
    shapes, kept = [*MACHINE_SHAPES], dict[tuple[str, str], Rule]()
    texts: dict[str, str] = {}
    for spans in evidence.chains.values():
        for span in spans:
            for path, rule, text in _of_span(span, policy):
                texts.setdefault(text, path)
                if rule is not None and rule.action is Action.KEEP:
                    kept[path, rule.name] = rule
    shapes += [_kept(path, rule, rosters) for (path, _), rule in kept.items()]
    for path, text in _beside(evidence.documents):
        texts.setdefault(text, path)
    whole = [text for text in texts if any(shape.path.pattern == "" and shape.fits(text) for shape in shapes)]
    reader = SecondReader()
    marks = reader.read(Text(path=texts[text], text=text) for text in texts.keys() - set(whole))
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


def _kept(path: str, rule: Rule, rosters: Mapping[str, frozenset[str]]) -> Shape:
    """A kept value at its own path, whole, by the shape that its rule declares; of a date perhaps the year alone."""

    def fits(value: str) -> bool:
        year = rule.condition is not None and _YEAR.fullmatch(value) is not None
        return year or (rule.shape is not None and rule.shape.fits(value, rosters))

    return Shape(rule=rule.name, fits=fits, path=re.compile(rf"^{re.escape(path)}$"))


def _of_span(span: SafeSpan, policy: Policy) -> Iterator[tuple[str, Rule | None, str]]:
    for steps, text in _leaves(dict(span.fields), ()):
        shown = re.sub(r"\.\[\]", "[]", ".".join("[]" if isinstance(step, int) else step for step in steps))
        yield f"{span.name}.{shown}", policy.rule_for(span.name, steps), text


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
            case "otlp" | "langfuse" if document.path.endswith("body"):
                yield from _of_otlp(document.channel, document.raw)
            case "slack" | "pagerduty" if document.path.endswith("body"):
                yield from _of_json(document.channel, document.raw)


def _of_line(channel: str, line: str) -> Iterator[tuple[str, str]]:
    """A JSON line's own strings; of any other line all but the moment before it, which its logging wrote."""
    if line.startswith("{"):
        yield from _of_json(channel, line.encode())
    elif line:
        yield f"{channel} line", _STAMP.sub("", line, count=1)


def _of_json(channel: str, raw: bytes) -> Iterator[tuple[str, str]]:
    try:
        value = json.loads(raw)
    except ValueError:
        yield f"{channel} body", raw.decode("utf-8", "replace")
        return
    for path, text in _leaves(value, ()):
        yield f"{channel}.{'.'.join('[]' if isinstance(step, int) else step for step in path)}", text


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
                yield f"{channel}.{pair.key}", pair.value.string_value or str(pair.value.array_value or "")
