"""What a person sees: a call's tree at 100 columns, in colour where the terminal has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from medagent.cli.encoding import is_unicode
from medagent.proof import Json
from medagent.redaction import REDACTED, WITHHELD
from medagent.telemetry.failures import Explanation
from medagent.telemetry.span import SafeSpan, SpanKind
from medagent.telemetry.switch_message import SwitchMessage

WIDTH = 100
_TAKEN = "black on yellow"
_QUIET = "bright_black"
_MOST_ITEMS = 2


def console(*, stderr: bool = False) -> Console:
    """The terminal, never wider than 100 columns, no colour where it has none."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if made.width > WIDTH or not made.is_terminal:
        made.width = WIDTH
    return made


def print_json(documents: Iterable[Mapping[str, Json]]) -> None:
    """One JSON object a line, on stdout and nothing else."""
    escapes = not is_unicode()
    for document in documents:
        sys.stdout.write(json.dumps(document, ensure_ascii=escapes, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_failure(out: Console, what: str, said: Explanation, *, style: str, indent: int = 0) -> None:
    """Print why a destination did not take something, and below it the remedy."""
    out.print(Padding(Text(f"{what}{said.cause}", style=style), (0, 0, 0, indent), expand=False))
    out.print(Padding(Text(said.remedy, style=_QUIET), (0, 0, 0, indent + 2), expand=False))


def print_switch(message: SwitchMessage | None, *, to: Console) -> None:
    """Print why nothing leaves and how to change that, each on one line that can be copied; nothing for None."""
    if message is not None:
        to.print(Text(message.says, style="red"), soft_wrap=True)
        to.print(Text(f"  {message.remedy}", style=_QUIET), soft_wrap=True)


def moment(microseconds: int) -> str:
    """A time in the reader's words: UTC, to the second."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def tree(spans: Sequence[SafeSpan]) -> Tree:
    """A call's spans under each other, in the order in which they began."""
    children: dict[str | None, list[SafeSpan]] = {}
    for span in sorted(spans, key=lambda s: (s.start_us, s.seal.sequence if s.seal else 0)):
        children.setdefault(span.parent_id, []).append(span)
    roots = children.get(None, [])
    top = Tree(_headline(roots[0]) if roots else Text("the call's root has not arrived", style="red"))
    for span in children.get(roots[0].span_id if roots else None, []):
        _grow(top, span, children)
    return top


def _grow(branch: Tree, span: SafeSpan, children: Mapping[str | None, Sequence[SafeSpan]]) -> None:
    grown = branch.add(_headline(span))
    for name in ("arguments", "result"):
        if span.kind is SpanKind.TOOL and span.fields.get(name):
            grown.add(_line(name, span.fields[name]))
    for child in children.get(span.span_id, []):
        _grow(grown, child, children)


def _headline(span: SafeSpan) -> Text:
    style = "bold red" if span.status == "error" else "bold"
    text = Text(span.name, style=style)
    for part in _parts(span):
        text.append(" · " if text.plain != span.name else "  ", style=_QUIET)
        text.append_text(part)
    return text


def _parts(span: SafeSpan) -> Iterator[Text]:
    fields = span.fields
    match span.kind:
        case SpanKind.SESSION:
            yield from _said(fields, "outcome", "reason")
            yield from _amounts(fields, duration_ms="{:,.0f} ms")
            yield Text("complete", style="green") if fields.get("complete") else Text("incomplete", style="red")
            yield Text(f"trace {span.trace_id[:8]}", style=_QUIET)
        case SpanKind.MARKER if span.name == "session.start":
            yield from _said(fields, "model", "mode", "agent_version")
        case SpanKind.MARKER if span.name == "agent_handoff":
            yield from _said(fields, "from_agent", "to_agent")
        case SpanKind.MARKER:
            counts = ("user_turns", "agent_turns", "tool_calls", "interruptions", "reconnects")
            yield from _amounts(fields, **{name: name.replace("_", " ") + " {}" for name in counts})
            yield from _amounts(fields, cost_usd="${:.4f}")
        case SpanKind.EXCHANGE:
            yield from _amounts(fields, total_latency_ms="latency {:,.0f} ms", cost_usd="${:.4f}")
            yield from _flags(fields, "slow", "interrupted", "incomplete")
        case SpanKind.STT | SpanKind.LLM | SpanKind.TTS:
            yield from _said(fields, "model")
            yield from _amounts(fields, total_tokens="{:,} tokens", cost_usd="${:.4f}")
            yield from _flags(fields, "cancelled")
        case SpanKind.USER_TURN:
            yield from _amounts(fields, audio_ms="{:,.0f} ms of speech")
            yield from _said(fields, "ended_by") if fields.get("modality") == "text" else ()
            yield from _flags(fields, "interrupted_agent", "incomplete")
        case SpanKind.AGENT_TURN | SpanKind.AGENT_SPEECH:
            yield from _said(fields, "kind") if fields.get("kind") != "reply" else ()
            yield from _amounts(fields, ttft_ms="TTFT-A {:,.0f} ms", perceived_ms="perceived {:,.0f} ms")
            yield from _amounts(fields, responses="responses {}", total_tokens="{:,} tokens", cost_usd="${:.4f}")
            yield from _flags(fields, "slow", "interrupted", "incomplete")
            yield from _said(fields, "error_type")
            yield from _amounts(fields, error_status="status {}")
        case SpanKind.TOOL:
            yield from _said(fields, "outcome", "error_type")
            yield from _amounts(fields, error_status="status {}")
            yield from _amounts(fields, duration_ms="{:,.0f} ms")
            yield from _flags(fields, "incomplete")
        case SpanKind.GUARDRAIL:
            yield from _guardrail(fields)


def _guardrail(fields: Mapping[str, Json]) -> Iterator[Text]:
    policy, consent, actions = (_object(fields.get(name)) for name in ("policy", "consent", "actions"))
    yield Text(f"policy {policy.get('name')} {policy.get('version')} {str(policy.get('sha256'))[:8]}")
    counted = {"redact": "redacted", "truncate": "truncated", "pseudonym": "pseudonyms", "drop": "dropped"}
    yield Text(", ".join(f"{actions.get(action, 0)} {said}" for action, said in counted.items()), style="yellow")
    yield Text(f"consent {consent.get('state')} ({consent.get('basis') or consent.get('method')})")


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _said(fields: Mapping[str, Json], *names: str) -> Iterator[Text]:
    for name in names:
        if fields.get(name) is not None:
            yield _value(fields[name])


def _amounts(fields: Mapping[str, Json], **forms: str) -> Iterator[Text]:
    for name, form in forms.items():
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield Text(form.format(value))


def _flags(fields: Mapping[str, Json], *names: str) -> Iterator[Text]:
    for name in names:
        if fields.get(name) is True:
            yield Text(name.replace("_", " "), style="red")


def _line(name: str, value: Json) -> Text:
    text = Text(f"{name}  ", style=_QUIET)
    for number, (path, leaf) in enumerate(_leaves(value, "")):
        if number:
            text.append(" · ", style=_QUIET)
        text.append(f"{path} ", style=_QUIET)
        text.append_text(leaf)
    return text


def _leaves(value: Json, path: str) -> Iterator[tuple[str, Text]]:
    """The leaves of a tool's arguments or result; an item of a list in one piece, its keys left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value[:_MOST_ITEMS]):
            yield f"{path}[{number}]", Text(", ").join(leaf for _, leaf in _leaves(inner, ""))
        if len(value) > _MOST_ITEMS:
            yield path, Text(f"and {len(value) - _MOST_ITEMS} more")
    else:
        yield path, _value(value)


def _value(value: Json) -> Text:
    """A value as it left; what was taken away is seen at once."""
    text = Text("null" if value is None else str(value))
    for mark in (REDACTED, WITHHELD):
        text.highlight_words([mark], style=_TAKEN)
    return text
