"""`medagent redact`: text or records in, what may leave of them out; for scripts by the line, for people in colour."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

from medagent.cli.output import console
from medagent.errors import MedagentError, PolicyError
from medagent.file_access import read_file
from medagent.presidio import recognisers_of
from medagent.proof import Json, KeyRing, PseudonymKey
from medagent.redaction import REDACTED, Category, Identifier, KnownValues, Policy, Redactor, find_policy, load_policy
from medagent.redaction.policy import TextMode, leaves
from medagent.redaction.raw import scalars
from medagent.redaction.reading import nearest
from medagent.redaction.text import Scrubbed
from medagent.settings import Settings, load_settings

_STYLES = {
    "known": "magenta",
    "patterns": "yellow",
    "names": "cyan",
    "vocabulary": "blue",
    "guard": "red",
    "language": "green",
}


_Treat: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Json]]


class _LineError(MedagentError):
    """A line is not what was asked for; says how, never what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LineRecord:
    name: str
    fields: Mapping[str, object] = field(repr=False)


def redact(
    *,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl", help='Lines {"id", "text", "known"?} on stdin; {"id", "text", "findings", "withheld"?} out.'
        ),
    ] = False,
    span: Annotated[
        str | None, typer.Option(help='With --jsonl: lines {"id", "fields", "known"?}; {"id", "fields", "counts"} out.')
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="A policy's file, or a packaged one's name; else the one in force.")
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE that the call has learned, such as patient_name=…; repeatable."),
    ] = None,
    mode: Annotated[TextMode, typer.Option(help="Who vouches for a free text.")] = TextMode.VOCABULARY,
    rosters: Annotated[
        Path | None, typer.Option(help='A JSON file {"doctors": […], "locations": […]}: who may be kept by name.')
    ] = None,
) -> None:
    """Scrub text, or redact a span's fields, as a call would.

    With --jsonl a line that cannot be read gives {"id": null, "line": N, "error"} in its place and the next is read;
    offsets are code points of the line's text. Without it: type a line, see what would leave of it.
    """
    settings = load_settings()
    loaded = load_policy(find_policy(policy if policy is not None else str(settings.policy_path or "clinic")))
    given = dict(_given(one) for one in known or ())
    if span is not None and (not jsonl or loaded.span_name(span) != span):
        why = f"no span {span!r}{nearest(span, loaded.spans)}" if jsonl else "--span goes with --jsonl"
        raise PolicyError(f"{loaded.name}: {why}")
    redactor = Redactor(
        loaded,
        keys=_key(settings) if span is not None and _needs_key(loaded, span) else None,
        rosters=_rosters(rosters),
        recognisers=recognisers_of(loaded),
    )
    if not jsonl:
        _try_out(redactor, given, mode)
        return
    treat = _by_text(redactor, given, mode) if span is None else _by_fields(redactor, given, span)
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip():
            sys.stdout.buffer.write(_encoded(_answer(treat, line, number)))
            sys.stdout.buffer.flush()


def _by_text(redactor: Redactor, given: Mapping[str, Json], mode: TextMode) -> _Treat:
    def treat(asked: Mapping[str, Any]) -> dict[str, Json]:
        text = asked.get("text")
        if not isinstance(text, str):
            raise _LineError("'text' is missing, or no string")
        scrubbed = redactor.scrub(text, _known(redactor.policy, given, asked), mode)
        answer: dict[str, Json] = {"text": scrubbed.text, "findings": _findings(scrubbed)}
        if scrubbed.withheld:
            answer["withheld"] = [f"language {language}" for language in scrubbed.withheld]
        return answer

    return treat


def _by_fields(redactor: Redactor, given: Mapping[str, Json], span: str) -> _Treat:
    def treat(asked: Mapping[str, Any]) -> dict[str, Json]:
        fields = asked.get("fields")
        if not isinstance(fields, dict):
            raise _LineError("'fields' is missing, or no object")
        record = _LineRecord(name=span, fields=fields)
        known = _known(redactor.policy, given, asked)
        known.learn(redactor.identifiers(record))
        left = redactor.redact(record, known)
        return {"fields": left.fields, "counts": {kind: dict(each) for kind, each in left.counts.document().items()}}

    return treat


def _answer(treat: _Treat, line: bytes, number: int) -> dict[str, Json]:
    """Return what comes of a line; an error says where and how, and nothing that was there."""
    try:
        asked = _asked(line)
        return {"id": asked["id"], **treat(asked)}
    except _LineError as error:
        return {"id": None, "line": number, "error": str(error)}
    except Exception as error:  # noqa: BLE001  # one line must not cost the others, nor tell what broke it
        return {"id": None, "line": number, "error": f"cannot be treated ({type(error).__name__})"}


def _asked(line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _LineError("not JSON in UTF-8") from None
    if not isinstance(asked, dict):
        raise _LineError("not an object")
    if type(asked.get("id")) not in (str, int):
        raise _LineError("'id' is missing, or neither a string nor an integer")
    return asked


def _known(policy: Policy, given: Mapping[str, Json], asked: Mapping[str, Any]) -> KnownValues:
    told = asked.get("known", {})
    if not isinstance(told, dict):
        raise _LineError("'known' is no object")
    known = KnownValues()
    for field_name, value in [*given.items(), *told.items()]:
        rule = policy.fields.get(field_name)
        category = rule.category if rule is not None else Category.IDENTIFIER
        known.learn(Identifier(category=category, value=each) for each in scalars(value))
    return known


def _findings(scrubbed: Scrubbed) -> list[Json]:
    return [
        {"category": found.category.value, "start": found.start, "end": found.end, "layer": str(found.layer)}
        for found in scrubbed.findings
    ]


def _encoded(answer: Mapping[str, Json]) -> bytes:
    """One line of UTF-8; half a surrogate pair, which UTF-8 cannot hold, is escaped as JSON does it."""
    try:
        return json.dumps(answer, ensure_ascii=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        return json.dumps(answer).encode("ascii") + b"\n"


def _try_out(redactor: Redactor, given: Mapping[str, Json], mode: TextMode) -> None:
    out = console()
    asks = sys.stdin.isatty()
    if asks:
        about = f"{redactor.policy.name} {redactor.policy.version}, {mode.value}: type a line, see what would leave."
        out.print(f"{about} Ctrl-D ends.", style="bright_black")
    for text in _typed(out) if asks else (line.rstrip("\n") for line in sys.stdin):
        known = _known(redactor.policy, given, {})
        out.print(_coloured(redactor.scrub(text, known, mode)), soft_wrap=True)


def _typed(out: Console) -> Iterator[str]:
    try:
        while True:
            yield out.input("[bright_black]> [/]")
    except (EOFError, KeyboardInterrupt):
        out.print()


def _coloured(scrubbed: Scrubbed) -> Text:
    """Return what would leave, and behind it what was found by which layer."""
    shown = Text(scrubbed.text)
    shown.highlight_words([REDACTED], style="black on yellow")
    for found in scrubbed.findings:
        said = f"{found.category.value} {found.start}-{found.end} by {found.layer}"
        shown.append("  ").append(said, style=_STYLES[str(found.layer)])
    for language in scrubbed.withheld:
        shown.append("  ").append(f"withheld: language {language}", style=_STYLES["language"])
    return shown


def _given(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals:
        raise typer.BadParameter("--known is FIELD=VALUE, such as patient_name=Quilla Oldfield")
    return name, value


def _needs_key(policy: Policy, span: str) -> bool:
    return any(leaf.rule.may_pseudonymise for leaf in leaves(policy.tree(span)))


def _key(settings: Settings) -> PseudonymKey:
    secret = settings.pseudonym_key
    given = None if secret is None else secret.get_secret_value()
    return KeyRing(settings.home / "keys", env=settings.env, pseudonym_hex=given).pseudonym_key()


def _rosters(path: Path | None) -> Mapping[str, list[str]]:
    if path is None:
        return {}
    try:
        return TypeAdapter(dict[str, list[str]]).validate_json(read_file(path))
    except (OSError, ValueError):
        raise PolicyError(f"{path.name}: is no JSON object of lists of names") from None
