"""Counts, in the audited process, how often the system met each planted value and what its redactor made of it.

The redactor tells nothing: what went in is compared with what came out. Texts are kept until the calls are over, since
comparing takes time that a call must not wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Literal

from medagent.agent.agent_schema import path_of
from medagent.audit.casting import texts_of
from medagent.audit.planted import Planted
from medagent.errors import DoorError
from medagent.redaction import KnownValues, Policy, Record, Redacted, Redactor
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.door.exit import Exit

_SHORTEST_PART = 7
"""A shorter form stands in some longer number or word by chance: it counts where it is the whole text."""

Site = Literal["field_rule", "text_layer", "admission", "exit", "log_door", "not_recorded", "passed"]


class Offers:
    """All that was offered to the system in one process."""

    def __init__(
        self, planted: Sequence[Planted], policy: Policy, *, paths: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """`paths` are the declared fields of an agent's tools by span, which are counted one by one."""
        self._texts: dict[int, dict[str, str]] = {}
        for value in planted:
            of_call = self._texts.setdefault(value.call, {})
            of_call |= dict.fromkeys(texts_of(value), value.planted_id)
        self._voices = {value.call: value.planted_id for value in planted if value.letter == "P"}
        self._policy = policy
        self._paths = {span: frozenset(declared) for span, declared in (paths or {}).items()}
        self._met: list[tuple[int, Site, str]] = []
        self._records: dict[int, tuple[Record, Redacted]] = {}
        self._marked: Counter[int] = Counter()
        self._looked: dict[tuple[str, int | None], frozenset[str]] = {}
        self.refusals: Counter[str] = Counter()
        """What the door refused, in its own words, which name rule and path; so often."""

    def met(self, call: int, where: str, text: str) -> None:
        """A text was met outside of any record of ours: in speech, in an error, in a log line."""
        self._met.append((call, "log_door" if where == "log" else "not_recorded", text))

    def marked(self, call: int) -> None:
        """A frame of sound with the voice print in it was heard."""
        self._marked[call] += 1

    def watch(self) -> None:
        """From here on see each record go into the redactor and come out, and each refusal of the door."""
        redact, admit, check = Redactor.redact, Admission.admit, Exit.check

        @wraps(redact)
        def redacted(self_: Redactor, record: Record, known: KnownValues, **how: Any) -> Redacted:
            result = redact(self_, record, known, **how)
            self._records[id(record)] = (record, result)  # the record is held too, so that its id stays its own
            return result

        # Seen from outside, whoever calls it: the system is built as it always is.
        for owner, name, seen in (
            (Redactor, "redact", redacted),
            (Admission, "admit", self._counted(admit, "admission")),
            (Exit, "check", self._counted(check, "exit")),
        ):
            setattr(owner, name, seen)

    def _counted(self, function: Callable[..., Any], site: Site) -> Callable[..., Any]:
        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            try:
                return function(*arguments, **named)
            except DoorError as error:
                self.refusals[f"{site}: {error}"] += 1
                raise

        return counted

    def counts(self) -> dict[str, dict[str, int]]:
        """By planted id: how often met, by where it was stopped; `passed` is what the redactor let through."""
        found: dict[str, Counter[str]] = {}
        for call, site, text in self._met:
            for planted_id in self._in(text, call):
                found.setdefault(planted_id, Counter())[site] += 1
        for call, frames in self._marked.items():
            if call in self._voices:
                found.setdefault(self._voices[call], Counter())["not_recorded"] += frames
        for record, result in self._records.values():
            left = "\n".join(text for _, text in _leaves(result.fields, ()))
            for path, text in _leaves(record.fields, ()):
                for planted_id in self._in(text, None):
                    site = self._site(record.name, path, planted_id, left)
                    found.setdefault(planted_id, Counter())[site] += 1
        return {planted_id: dict(sites) for planted_id, sites in found.items()}

    def fields(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return by span and declared path how often the field held planted values, by their letter."""
        found: dict[str, dict[str, Counter[str]]] = {}
        for record, _ in self._records.values():
            declared = self._paths.get(record.name, frozenset())
            for steps, text in _leaves(record.fields, ()) if declared else ():
                path = path_of(["[]" if isinstance(step, int) else step for step in steps])
                if path in declared:
                    letters = {planted_id.partition("-")[0] for planted_id in self._in(text, None)}
                    found.setdefault(record.name, {}).setdefault(path, Counter()).update(letters)
        return {span: {path: dict(letters) for path, letters in paths.items()} for span, paths in found.items()}

    def _site(self, span: str, path: tuple[str | int, ...], planted_id: str, left: str) -> Site:
        if planted_id in self._in(left, None):
            return "passed"
        rule = self._policy.rule_for(self._policy.span_name(span), path)
        return "text_layer" if rule is not None and rule.free_text else "field_rule"

    def _in(self, text: str, call: int | None) -> frozenset[str]:
        """Whose forms stand in a text; most texts come again and again, and most hold none."""
        if (known := self._looked.get((text, call))) is None:
            of_calls = self._texts.values() if call is None else [self._texts.get(call, {})]
            known = frozenset(
                one
                for forms in of_calls
                for form, one in forms.items()
                if form in text and (len(form) >= _SHORTEST_PART or form == text)
            )
            self._looked[text, call] = known
        return known


def _leaves(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text, number and key with the path on which it stands."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield (*path, str(key)), str(key)
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    elif value is not None and not isinstance(value, bool):
        yield path, str(value)
