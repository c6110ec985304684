"""Records of a spool file: what is whole is read, what is torn or changed is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medagent.telemetry.spool.header import Identity
from medagent.telemetry.spool.records import SpoolRecord, decode

records = st.builds(
    SpoolRecord,
    st.sampled_from(["open", "span", "release", "withdraw", "end"]),
    st.dictionaries(st.sampled_from("abc"), st.one_of(st.booleans(), st.integers(), st.text(max_size=20))),
    st.binary(max_size=200),
)


@given(written=st.lists(records, max_size=6), cut=st.integers(0, 2000))
def test_decode_of_a_torn_file_returns_the_whole_records(written: list[SpoolRecord], cut: int) -> None:
    """Wherever a process was killed while it wrote."""
    parts = [record.encoded() for record in written]
    data = b"".join(parts)[:cut]
    decoded = decode(data)
    assert list(decoded.records) == written[: len(decoded.records)]
    assert decoded.size == sum(map(len, parts[: len(decoded.records)]))
    assert not decoded.is_damaged
    assert len(decoded.records) == len(parts) or decoded.size + len(parts[len(decoded.records)]) > len(data)


@given(written=st.lists(records, min_size=1, max_size=4), data=st.data())
def test_decode_of_a_changed_file_stops_before_the_change(written: list[SpoolRecord], data: st.DataObject) -> None:
    """A record with another byte in it is never returned as another record."""
    whole = bytearray(b"".join(record.encoded() for record in written))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    decoded = decode(bytes(whole))
    assert list(decoded.records) == written[: len(decoded.records)]
    assert len(decoded.records) < len(written)
    assert decoded.size <= at


def test_identity_of_a_header_is_what_was_written() -> None:
    """And a header of another format is not read."""
    made = Identity(code="a", policy="b", settings="c", service="d")
    record = made.header("00000000-0000-4000-8000-000000000000")
    assert Identity.read(decode(record.encoded()).records[0]) == made
    assert Identity.read(SpoolRecord("header", {**record.arguments, "format": 2})) is None
    assert Identity.read(SpoolRecord("open", record.arguments)) is None
