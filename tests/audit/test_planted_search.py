"""The search for planted values: what it finds, that each of its ways is needed, and that clean text stays clean."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import medagent
from medagent.audit.english import words
from medagent.audit.planted import Planted, plant
from medagent.audit.search import ALL, Hit, Search
from medagent.audit.wrappings import TooMuchError

PACKAGE = Path(medagent.__file__).parent
PLANTED = {value.kind: value for value in plant(seed=11, calls=1)}
SEARCH = Search(PLANTED.values())


def texts_of(value: Planted) -> list[tuple[str, str]]:
    """Every text of every form; the halves of a split one stand in neighbouring fields of a list."""
    return [
        (form, text)
        for form, texts in value.forms.items()
        for text in (['", "'.join(texts)] if form == "split" else texts)
    ]


def look(data: bytes, search: Search = SEARCH) -> list[Hit]:
    return search.look(data, channel="http", path="body")


def ids(data: bytes, search: Search = SEARCH) -> set[str]:
    return {hit.planted_id for hit in look(data, search)}


def shifted(by: int) -> Callable[[bytes], bytes]:
    return lambda text: b"sig:" + base64.b64encode(b'":"'[:by] + text)


def folded_lines(text: bytes) -> bytes:
    return base64.encodebytes(b"A letter of more than one line, so that the value is cut in two. " * 3 + text)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: b'{"value":"' + text + b'"}',
    "among bytes that are no text": lambda text: b"\xff\xfe\x00\x9c" + text + b"\x00\xff",
    "json, all escaped": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text.decode()).encode(),
    "json in json": lambda text: json.dumps(json.dumps({"note": text.decode()})).encode(),
    "what Python prints of bytes": lambda text: repr(text + b"\xff").encode(),
    "url": lambda text: b"?q=" + quote(text).encode() + b"&r=1",
    "url, all escaped": lambda text: "".join(f"%{byte:02x}" for byte in text).encode(),
    "base64": shifted(0),
    "base64, moved by one": shifted(1),
    "base64, moved by two": shifted(2),
    "base64 behind a letter": lambda text: b"x" + base64.b64encode(text),
    "base64 of the URL's alphabet": lambda text: b"eyJ." + base64.urlsafe_b64encode(b"\xfb\xff" + text).rstrip(b"="),
    "base64 in lines": folded_lines,
    "hex": lambda text: text.hex().encode(),
    "hex, upper case, odd": lambda text: b"A" + text.hex().upper().encode(),
    "hex in pairs": lambda text: text.hex(":").encode(),
    "gzip": lambda text: b"--part\r\n\r\n" + gzip.compress(text),
    "zlib": lambda text: b"head" + zlib.compress(text) + b"tail",
    "zlib, weakly": lambda text: zlib.compress(text, 1),
    "zstd": lambda text: b"\x00\x01" + zstandard.compress(text),
    "utf-16, little end first": lambda text: text.decode().encode("utf-16-le"),
    "utf-16, big end first": lambda text: text.decode().encode("utf-16-be"),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_form_is_found_under_every_encoding(encoder: str) -> None:
    """Each form of each of the eighteen kinds is found, and nobody else is named with it."""
    for value in PLANTED.values():
        for form, text in texts_of(value):
            found = ids(ENCODERS[encoder](text.encode()))
            assert found == {value.planted_id}, (encoder, value.planted_id, form)


def said_in_pairs(value: Planted) -> bytes:
    """Two digits as one number, as no form of it says them."""
    tens = words("twenty thirty forty fifty sixty seventy eighty ninety")
    ones = words("zero one two three four five six seven eight nine")
    digits = "".join(sign for sign in str(value.value) if sign.isdigit())
    said, place = [], 0
    while place < len(digits):
        if digits[place] >= "2" and digits[place + 1 : place + 2] > "0":
            said.append(f"{tens[int(digits[place]) - 2]}-{ones[int(digits[place + 1])]}")
            place += 2
        else:
            said.append(ones[int(digits[place])])
            place += 1
    return ", ".join(said).encode()


def surname(kind: str) -> str:
    return PLANTED[kind].forms["parts"][0]


def with_signs(text: str, signs: str) -> bytes:
    return "".join(letter + signs[place % len(signs)] for place, letter in enumerate(text)).encode()


NAME = str(PLANTED["real_name"].value)
LONG = f"Heute war jemand da, quite suddenly: {NAME}; vexed by a jumping zebra, 1234567890.".encode()
LONG += b" ".join(b"%d" % number for number in range(400))
ONLY_BY: dict[str, tuple[str, bytes]] = {
    "plain": ("face_photo", PLANTED["face_photo"].forms["bytes"][0].encode("latin-1")),
    "fold": ("plate", str(PLANTED["plate"].value).replace("", "\u200b").title().encode()),
    "letters": ("real_name", with_signs(surname("real_name"), "1234")),
    "digits": ("account", with_signs(str(PLANTED["account"].value).replace("-", ""), "xyz")),
    "spoken": ("account", said_in_pairs(PLANTED["account"])),
    "spelled": ("real_name", " ".join(f"{letter} as in {letter}ish" for letter in surname("real_name")).encode()),
    "json": ("name", json.dumps(surname("name")).encode()),
    "url": ("name", quote(surname("name")).encode()),
    "base64": ("real_name", base64.b64encode(LONG)),
    "hex": ("real_name", LONG.hex().encode()),
    "gzip": ("real_name", gzip.compress(LONG)),
    "zlib": ("real_name", zlib.compress(LONG)),
    "zstd": ("real_name", zstandard.compress(LONG)),
    "utf16": ("name", surname("name").encode("utf-16-le")),
}


@pytest.mark.parametrize("encoding", ALL)
def test_no_encoding_can_be_spared(encoding: str) -> None:
    """For each there is a document in which it finds a value, and which is clean to all the others together."""
    kind, document = ONLY_BY[encoding]
    assert encoding in ">".join(hit.encoding for hit in look(document))
    assert ids(document) == {PLANTED[kind].planted_id}
    assert not look(document, Search(PLANTED.values(), encodings=set(ALL) - {encoding}))


def test_an_unknown_encoding_is_refused() -> None:
    """A search that is asked for what it cannot do says so instead of finding nothing."""
    with pytest.raises(ValueError, match="rot13"):
        Search(PLANTED.values(), encodings=["plain", "rot13"])


def as_json(data: bytes) -> bytes:
    """A text as it is; other bytes as somebody writes them who takes them for Latin-1."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return json.dumps({"body": text}).encode()


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "json": as_json,
    "base64": lambda data: b'{"blob":"' + base64.b64encode(data) + b'"}',
    "hex": lambda data: b"<" + data.hex().encode() + b">",
    "url": lambda data: b"a=" + quote(data).encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
}


@given(
    value=st.sampled_from([value for value in PLANTED.values() if "bytes" not in value.forms]),
    before=st.binary(max_size=40),
    behind=st.binary(max_size=40),
    wrappers=st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=4),
    data=st.data(),
)
def test_a_value_is_found_whatever_stands_around_it(
    value: Planted, before: bytes, behind: bytes, wrappers: list[str], data: st.DataObject
) -> None:
    """Any bytes before and behind it, any wrapping in any other, four deep: it is found."""
    _, text = data.draw(st.sampled_from(texts_of(value)))
    document = before + b" " + text.encode() + b" " + behind
    for wrapper in wrappers:
        document = WRAPPERS[wrapper](document)
    assert value.planted_id in ids(document)


@given(st.binary(max_size=2_000))
def test_noise_is_clean(noise: bytes) -> None:
    """Bytes that nobody planted are no hit, nor are they under any wrapping that they happen to look like."""
    assert not look(noise)


def clean_trace(lines: int) -> bytes:
    """Lines as telemetry writes them: ids, digests, times, figures, ordinary words, a clinic's roster."""
    dice = random.Random(5)
    ordinary = words(
        "the caller asked for a time on monday and was told that one is free at nine thirty with Dr. Amara Okafor at "
        "Lakeside Main Street then seventy two years old with fever for three days please hold golf hotel mike papa "
        "one hundred and four degrees november december street lane county precinct falls www.example.com https drive"
    )
    return b"\n".join(
        json.dumps(
            {
                "_event_type": "voice_metrics",
                "_timestamp": f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T09:12:{dice.randrange(10, 60)}Z",
                "trace_id": str(uuid.UUID(int=dice.getrandbits(128))),
                "previous": hashlib.sha256(dice.randbytes(8)).hexdigest(),
                "signature": base64.b64encode(dice.randbytes(64)).decode(),
                "start_us": 1_790_000_000_000_000 + dice.randrange(10**12),
                "ttft_ms": dice.random() * 3_000,
                "tokens": dice.randrange(10**5),
                "notes": " ".join(dice.choice(ordinary) for _ in range(20)),
            }
        ).encode()
        for _ in range(lines)
    )


@pytest.mark.slow
def test_ten_megabytes_of_clean_trace_hold_nothing() -> None:
    """No hit by chance with 270 values planted in ten calls, of which less than one is to be expected."""
    search = Search(plant(seed=12, calls=10))
    trace = clean_trace(20_000)
    assert len(trace) > 10_000_000
    assert not look(trace, search)
    assert search.chance * len(trace) < 1


def test_what_the_package_says_holds_nothing() -> None:
    """Scenarios, guidelines, policies and the demo clinic, which any clean call may say, hold no value of any seed."""
    said = [*PACKAGE.rglob("*.yaml"), *PACKAGE.rglob("*.md"), PACKAGE / "clinic" / "demo.py"]
    text = b"\n".join(file.read_bytes() for file in said)
    assert len(text) > 50_000
    for seed in range(3):
        assert not look(text, Search(plant(seed=seed, calls=10)))


def test_fields_are_read_across_their_borders() -> None:
    """A name in two fields, and a number said in two utterances with others between them, are one value."""
    first, last = PLANTED["name"].forms["split"]
    phone = PLANTED["phone"].forms["spoken"][0].split()
    fields = [
        ("args.first_name", first),
        ("args.last_name", last),
        ("turns.0.text", " ".join(phone[:5])),
        ("turns.0.tokens", "31"),
        ("turns.1.text", " ".join(phone[5:])),
    ]
    document = json.dumps(dict(fields)).encode()
    assert PLANTED["phone"].planted_id not in ids(document)
    hits = SEARCH.look_fields(fields, channel="http", path="span")
    assert {hit.planted_id for hit in hits} >= {PLANTED["name"].planted_id, PLANTED["phone"].planted_id}
    assert {hit.path for hit in hits} == {"span", "span:text"}


def test_a_hit_tells_no_value() -> None:
    """What is reported of a hit, and how a planted value prints, holds nothing of the value."""
    value = PLANTED["mrn"]
    (hit, *_) = look(str(value.value).encode())
    assert str(value.value) not in repr(hit) + repr(value)
    assert "forms" not in repr(value)


def test_a_hit_keeps_the_text_that_it_stands_in() -> None:
    """For an officer: where it stood is seen, as it was read, in whatever it was wrapped."""
    value = str(PLANTED["phone"].value)
    document = gzip.compress(f"x {'far ' * 99} near {value} behind {'far ' * 99}".encode())
    (hit, *_) = (hit for hit in look(document) if hit.form == "written")
    assert f" near {value} behind " in hit.around
    assert len(hit.around) < 400


def test_a_bomb_is_no_clean_document() -> None:
    """What inflates beyond all measure is not searched in silence: nothing may be concluded from it."""
    with pytest.raises(TooMuchError):
        look(gzip.compress(b"\x00" * (65 << 20)))


def test_pieces_of_digests_are_no_date() -> None:
    """Digits with letters between them are no date, however they would be read once the letters are gone."""
    planted = plant(seed=2, calls=1)
    dates = [text for one in planted if one.letter == "C" for text in one.forms.get("digits", ()) if len(text) == 8]
    assert dates
    search = Search(planted)
    for date in dates:
        noise = f"9f{date[:3]}a{date[3:6]}e{date[6:]}c0"
        assert search.look(noise.encode(), channel="files", path="archive") == []
        assert search.look(f"born {date[:4]}-{date[4:6]}-{date[6:]}.".encode(), channel="files", path="archive") != []
