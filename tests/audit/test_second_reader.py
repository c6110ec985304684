"""The second reader: Presidio with all it has and no network, names of another source, and what passes by its shape."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
import socket
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
from presidio_analyzer import EntityRecognizer, predefined_recognizers

from medagent.audit.planted import plant
from medagent.audit.second_names import Names
from medagent.audit.second_reader import LEFT_OUT, Marked, SecondReader, Text
from medagent.audit.settle import MACHINE_SHAPES, declared_shapes, member, moment, settle
from packaged import packaged_policy
from work import times_as_long

ROSTERS = {"doctors": ["Dr. Amara Okafor"], "locations": ["Lakeside Main Street"]}
SOURCES = Path(str(resources.files("medagent.audit").joinpath("SOURCES.md")))


@pytest.fixture(scope="module")
def reader() -> SecondReader:
    return SecondReader()


def marks_of(reader: SecondReader, text: str, path: str = "notes") -> list[Marked]:
    return reader.read([Text(path=path, text=text)])


def test_all_of_presidio_takes_part(reader: SecondReader) -> None:
    """Each recogniser that Presidio ships reads, or stands on the list of those that cannot, with the reason."""
    ships = {
        name
        for name, kind in vars(predefined_recognizers).items()
        if isinstance(kind, type) and issubclass(kind, EntityRecognizer)
    }
    assert ships - set(LEFT_OUT) <= set(reader.recognisers)
    assert set(LEFT_OUT) <= ships
    assert len(ships) > 90
    assert set(LEFT_OUT.values()) == {"needs a model", "sends the text to a service"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("please call me on five five five oh one three seven", "five five five oh one three seven"),
        ("double five oh one double two it is", "double five oh one double two"),
        ("born on march third nineteen eighty two", "march third"),
        ("oh three twenty two nineteen eighty two", "oh three twenty two nineteen eighty two"),
        ("he lives at twelve larkspur lane now", "twelve larkspur lane"),
        ("we moved to 88 Thornapple Ridge last year", "88 Thornapple Ridge"),
        ("my record is mrn 0048213 I think", "0048213"),
        ("jane dot doe at gmail dot com", "gmail dot com"),
        ("that is s as in sam m as in mary", "s as in sam"),
        ("sierra mike india tango hotel", "sierra mike india tango hotel"),
        ("write to perpetua.holloway@example.com", "perpetua.holloway@example.com"),
        ("write to somebody@host.invalid", "somebody@host.invalid"),
        ("my name is achim kowalski", "kowalski"),
        ("asked for Mr. Brandvold", "Brandvold"),
        ("a note for Grace, please", "Grace"),
        ("Zweurg Kvalric called", "Zweurg Kvalric"),
        ("she is ninety two years old", "ninety two years"),
        ("the caller is 104 years old", "104 years"),
        ("from Kjeltorn County", "Kjeltorn County"),
        ("my plate is 7KX Q492, the frame 1HGCM82633A004352", "1HGCM82633A004352"),
        ("it came from 203.0.113.7", "203.0.113.7"),
        ("see https://clinic.example/p/7719", "https://clinic.example/p/7719"),
    ],
)
def test_what_presidio_alone_does_not_see_is_seen(reader: SecondReader, text: str, said: str) -> None:
    """Speech, names, streets, codes and ages are marked where they stand."""
    start = text.index(said)
    assert any(mark.start < start + len(said) and mark.end > start for mark in marks_of(reader, text))


@pytest.mark.parametrize(
    "text",
    [
        "Dizzy in the morning",
        "Sore knee, it hurts when walking and gets worse…",
        "Crushing chest pain for an hour, left arm numb,…",
        "First asked for Doctor <REDACTED>",
        "the clinic's system did not answer; offer to call…",
        "<REDACTED> is not usable: One exact start, ISO…",
        "two or three times a day since Monday, 104 degrees",
        "a 72 year old man with a cough, 500 mg twice a day",
        "I will be back in May or march on",
        "is one free at nine thirty",
    ],
)
def test_ordinary_talk_is_not_marked(reader: SecondReader, text: str) -> None:
    """Texts that telemetry really sends, and talk without a person in it, carry no mark."""
    assert not marks_of(reader, text)


def test_nothing_asks_the_network(reader: SecondReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """An e-mail address of a domain that nobody knows is read with every socket forbidden."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert marks_of(reader, "never seen before: vrando@zwolm.example, http://zwolm.example/x")


@pytest.mark.parametrize("text", ["." * 3_000, "a." * 1_500, "1-" * 1_500, "five " * 600, "@a" * 1_500])
def test_a_text_made_to_take_forever_does_not(reader: SecondReader, text: str) -> None:
    """Presidio's patterns take the square of a text's length: in windows a text of ten times the length takes ten."""
    rounds = itertools.count()  # the reader keeps what it read under a name

    def read(part: str) -> None:
        marks_of(reader, part, path=f"notes_{next(rounds)}")

    assert times_as_long(lambda: read(text), lambda: read(text[: len(text) // 10])) < 50


def test_a_long_text_is_read_to_its_end(reader: SecondReader) -> None:
    """What stands behind thousands of words, or across the border of two windows, is marked in its place."""
    for words in range(60, 90):
        text = "nothing " * words + "perpetua.holloway@example.com"
        mark = max(marks_of(reader, text), key=lambda mark: mark.score)
        assert text[mark.start : mark.end] == "perpetua.holloway@example.com"
    assert marks_of(reader, "nothing " * 5_000 + "+1 415 555 0137")


def test_it_says_how_much_of_what_is_planted_it_can_see(reader: SecondReader) -> None:
    """Of every kind that was shown it sees something, of all texts four in five; of each it says how many."""
    planted = plant(seed=3, calls=1)
    sensitivity = reader.sensitivity(planted)
    assert set(sensitivity) == {value.kind for value in planted}
    assert all(0 < marked <= shown for marked, shown in sensitivity.values())
    marked, shown = map(sum, zip(*sensitivity.values(), strict=True))
    assert marked > 0.8 * shown


def test_an_empty_list_of_names_sees_fewer(reader: SecondReader) -> None:
    """The names come from the list that it is given: without one, a name in lower case is not seen."""
    nameless = SecondReader(names=Names(certain=frozenset(), words=frozenset()))
    assert marks_of(reader, "it is kowalski again")
    assert not marks_of(nameless, "it is kowalski again")


def test_the_names_are_the_ones_that_are_described() -> None:
    """Count and digest of the shipped list are those of SOURCES.md."""
    text = gzip.decompress(resources.files("medagent.audit").joinpath("data", "names.txt.gz").read_bytes())
    names = Names.shipped()
    described = SOURCES.read_text()
    assert hashlib.sha256(text).hexdigest() in described
    assert f"{len(names.certain | names.words):,} names, {len(names.words):,} of them words" in described


def test_a_kept_value_passes_by_its_shape_alone(reader: SecondReader) -> None:
    """A doctor of the roster, a time, an id pass where they belong; the same sign for sign elsewhere does not."""
    run = moment("time of the run", datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC))
    shapes = [*MACHINE_SHAPES, run, *declared_shapes(packaged_policy(), ROSTERS)]
    passes = [
        ("fields.arguments.doctor_name", "Dr. Amara Okafor"),
        ("fields.result.slots.0.clinic_location", "Lakeside Main Street"),
        ("fields.arguments.appointment_datetime", "2026-11-24T09:30"),
        ("fields.result.confirmation_id", "LC-X6EH4B"),
        ("trace_id", "0b0dcf40-1c2d-4e5f-8a9b-0123456789ab"),
        ("span_id", "1234567890123456"),
        ("seal.hash", hashlib.sha256(b"").hexdigest()),
        ("name", "tool.book_appointment"),
        ("otlp.gen_ai.provider.name", "azure.ai.openai"),
        ("langsmith.metadata.gen_ai.request.model", "gpt-4o-2024-08-06"),
        ("line", "2026-11-24 09:30:00,123 INFO sealed 0b0dcf40-1c2d-4e5f-8a9b-0123456789ab"),
    ]
    opens = [
        ("fields.arguments.doctor_name", "Dr. Yolanda Achterberg"),
        ("fields.arguments.doctor_name", "Dr. Amara Okafor for Yolanda Achterberg"),
        ("fields.arguments.notes", "Dr. Amara Okafor"),
        ("fields.arguments.notes", "LC-X6EH4B"),
        ("fields.arguments.appointment_datetime", "1982-03-03T00:00"),
        ("fields.arguments.confirmation_id", "+1 415 555 0137"),
        ("line", "2026-11-24 09:30:00,123 INFO for Yolanda Achterberg"),
        ("line", "2011-06-18T00:00:00Z admitted"),
        ("fields.arguments.notes", "4111111111111111"),
        ("otlp.gen_ai.provider.name", "quill.example.com"),
        ("otlp.gen_ai.system.name", "azure.ai.openai"),
    ]
    for path, text in passes:
        settled = settle(marks_of(reader, text, path), shapes)
        assert {each.settled for each in settled} <= {"kept_shape"}, (path, settled)
        assert all(each.rule for each in settled)
    for path, text in opens:
        settled = settle(marks_of(reader, text, path), shapes)
        assert "open" in {each.settled for each in settled}, path


def test_without_shapes_every_mark_is_open(reader: SecondReader) -> None:
    """Nothing passes by default; a shape for one path is none for another."""
    marks = marks_of(reader, "Dr. Amara Okafor", "doctor_name")
    assert {each.settled for each in settle(marks, [])} == {"open"}
    elsewhere = [member("roster", ["Dr. Amara Okafor"], path="^clinic_location$")]
    assert {each.settled for each in settle(marks, elsewhere)} == {"open"}


def test_a_mark_tells_no_text(reader: SecondReader) -> None:
    """How a text, a mark or a settled mark prints holds path and kind, never the text: that is for the annex."""
    text = Text(path="notes", text="my name is achim kowalski")
    shown = repr(text) + repr(reader.read([text])) + repr(settle(reader.read([text]), MACHINE_SHAPES))
    assert not re.search("achim|kowalski", shown)
