"""Whatever is done to a ledger is found, and the first entry that it touches is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledgers import CONTENTS, KEY, THIEF, TRUSTED, guardrail, written
from medagent.errors import BrokenLedgerError, SignatureError, TornLedgerError
from medagent.proof import SigningKey, canonical
from medagent.proof.dsse import Envelope
from medagent.telemetry.ledger import CHECKPOINT, Entry, Ledger, verify


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tampered") / "ledger.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("whole") / "ledger.jsonl")


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger with the remains of a crash in its middle."""
    path = tmp_path_factory.mktemp("recovered") / "ledger.jsonl"
    path.write_bytes(written(path)[:-100])
    written(path)
    return path.read_bytes()


def head(content: bytes) -> Envelope:
    return Entry.parse(content.splitlines()[-1]).checkpoint()


def lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def found(path: Path, content: bytes, earlier: Envelope | None = None) -> BrokenLedgerError:
    path.write_bytes(content)
    with pytest.raises(BrokenLedgerError) as caught:
        verify(path, TRUSTED, earlier_checkpoint=earlier)
    return caught.value


def test_an_untouched_ledger_is_whole(path: Path, whole: bytes, recovered: bytes) -> None:
    """What was appended verifies, with a checkpoint of any of its entries, and is counted by kind."""
    path.write_bytes(whole)
    for line in whole.splitlines():
        got = verify(path, TRUSTED, earlier_checkpoint=Entry.parse(line).checkpoint())
        assert got.kinds == {"key_created": 1, **dict.fromkeys(CONTENTS, 1)}
        assert (got.entries, got.recovered) == (len(CONTENTS) + 1, ())
    path.write_bytes(recovered)
    assert verify(path, TRUSTED).recovered == (len(CONTENTS),)


@given(at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_a_changed_byte_is_found(path: Path, whole: bytes, at: int, byte: int) -> None:
    """Wherever it is, with public keys alone; the entry that it stands in is named."""
    changed = bytearray(whole)
    at %= len(changed)
    assume(changed[at] != byte)
    changed[at] = byte
    error = found(path, bytes(changed))
    assert error.entry == whole.count(b"\n", 0, at) or isinstance(error, TornLedgerError)
    assert error.diagnostics()


@given(splice=st.tuples(st.integers(min_value=0), st.binary(max_size=3), st.integers(0, 400)))
def test_inserted_and_deleted_bytes_are_found(
    path: Path, whole: bytes, recovered: bytes, splice: tuple[int, bytes, int]
) -> None:
    """Anywhere, the remains of a crash included; what is cut off the end, by an earlier checkpoint."""
    at, inserted, deleted = splice
    for content in (whole, recovered):
        place = at % (len(content) + 1)
        changed = content[:place] + inserted + content[place + deleted :]
        if changed != content:
            found(path, changed, head(content))


@given(data=st.data())
def test_another_order_is_found(path: Path, whole: bytes, data: st.DataObject) -> None:
    """Lines swapped, left out, said twice: the first place that does not hold is named."""
    was = lines(whole)
    now = data.draw(st.lists(st.sampled_from(was), max_size=len(was) + 2) | st.permutations(was))
    assume(now != was[: len(now)])
    first = next(number for number, line in enumerate(now) if number >= len(was) or line != was[number])
    assert found(path, b"".join(now)).entry == first


@given(cut=st.integers(min_value=1))
def test_a_cut_tail_is_found(path: Path, whole: bytes, cut: int) -> None:
    """In the middle of a line it shows by itself, between two by a checkpoint that was taken later; empty is broken."""
    kept = whole[: -(cut % len(whole)) or None] if cut % len(whole) else b""
    error = found(path, kept, head(whole))
    assert error.entry == kept.count(b"\n")
    assert "cut off" in str(error)
    path.write_bytes(kept)
    if kept and kept.endswith(b"\n"):
        assert verify(path, TRUSTED).entries == kept.count(b"\n")
    else:
        found(path, kept)


def test_a_missing_ledger_is_broken(tmp_path: Path, whole: bytes) -> None:
    """Nothing to verify is never success, not even without a checkpoint."""
    for earlier in (None, head(whole)):
        with pytest.raises(BrokenLedgerError):
            verify(tmp_path / "none.jsonl", TRUSTED, earlier_checkpoint=earlier)


def test_a_whole_rewrite_without_the_key_fails_on_its_signatures(path: Path, tmp_path: Path) -> None:
    """Made with a stranger's key, honestly or in the name of the trusted one, its first entry is refused."""
    content = written(tmp_path / "ledger.jsonl", key=THIEF)
    assert found(path, content).entry == 0
    assert "not trusted" in str(found(path, content))
    in_the_name_of_another = rewritten(content, lambda entry: entry, signer=THIEF)
    error = found(path, in_the_name_of_another)
    assert (error.entry, "signature" in str(error)) == (0, True)


def rewritten(content: bytes, change: Callable[[dict[str, Any]], dict[str, Any]], signer: SigningKey | None) -> bytes:
    """Every hash made anew after a change; signed by `signer` in the trusted key's name, or with the old signatures."""
    made: list[bytes] = []
    previous = "0" * 64
    for line in content.splitlines():
        document = change(json.loads(line))
        parts = {name: document[name] for name in ("kind", "content", "sequence", "at")}
        entry = Entry.make(**parts, previous=previous, key=KEY)
        signature = bytes.fromhex(document["signature"]) if signer is None else signer_over(entry, signer)
        made.append(canonical({**entry.document(), "signature": signature.hex()}) + b"\n")
        previous = entry.hash
    return b"".join(made)


def signer_over(entry: Entry, signer: SigningKey) -> bytes:
    checkpoint = entry.checkpoint()
    [made] = Envelope(payload_type=CHECKPOINT, payload=checkpoint.payload).signed(signer).signatures
    return made.value


@given(at=st.integers(0, len(CONTENTS)))
def test_a_rewrite_that_mends_the_chain_fails_on_the_signature(path: Path, whole: bytes, at: int) -> None:
    """One content changed and every hash made anew: the old signature of that entry does not hold."""

    def change(document: dict[str, Any]) -> dict[str, Any]:
        if document["sequence"] == at:
            return {**document, "at": "2020-01-01T00:00:00.000000+00:00"}
        return document

    error = found(path, rewritten(whole, change, signer=None))
    assert (error.entry, "signature" in str(error)) == (at, True)


def test_a_whole_rewrite_with_the_stolen_key_is_found_by_a_checkpoint(path: Path, whole: bytes, tmp_path: Path) -> None:
    """By itself it verifies, and that is why a checkpoint is kept elsewhere."""
    other = Ledger(tmp_path / "ledger.jsonl", KEY)
    for number in range(len(CONTENTS) + 5):
        other.append("guardrail", guardrail(number))
    content = (tmp_path / "ledger.jsonl").read_bytes()
    path.write_bytes(content)
    verify(path, TRUSTED)
    error = found(path, content, head(whole))
    assert (error.entry, "rewritten" in str(error)) == (len(CONTENTS), True)


def test_the_last_entry_of_the_old_ledger_may_not_be_cut_and_replaced(path: Path, whole: bytes) -> None:
    """Cut by one and grown by one, it is as long as it was; the checkpoint tells."""
    path.write_bytes(b"".join(lines(whole)[:-1]))
    Ledger(path, KEY).append("guardrail", guardrail(99))
    assert found(path, path.read_bytes(), head(whole)).entry == len(CONTENTS)


def test_an_entry_of_another_ledger_of_the_same_key_does_not_fit(path: Path, whole: bytes, tmp_path: Path) -> None:
    """A true entry with its true number, grafted from a restored copy that went on: it follows another."""
    fork = tmp_path / "ledger.jsonl"
    fork.write_bytes(b"".join(lines(whole)[:3]))
    for number in range(3):
        Ledger(fork, KEY).append("guardrail", guardrail(50 + number))
    grafted = [*lines(whole)[:4], lines(fork.read_bytes())[4], *lines(whole)[5:]]
    error = found(path, b"".join(grafted))
    assert (error.entry, "does not follow" in str(error)) == (4, True)


def test_a_number_left_out_is_found(path: Path, whole: bytes) -> None:
    """Signed and chained by the key's own holder, but as the next entry but one."""
    last = Entry.parse(whole.splitlines()[-1])
    skipping = Entry.make(
        "checkpoint", {"by": "x"}, sequence=last.sequence + 2, previous=last.hash, at=last.at, key=KEY
    )
    assert found(path, whole + skipping.line() + b"\n").entry == last.sequence + 1


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda line: line.replace(b",", b", ", 1),
        lambda line: line + b" ",
        lambda line: line + b"\r",
        lambda line: line.replace(b"clinic", b"\\u0063linic"),
        lambda line: json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")).encode(),
        lambda line: line.replace(b"{", b'{"at":"then",', 1),
        lambda line: line.replace(b'"sequence":1', b'"sequence":1.0'),
    ],
    ids=["a space", "a space after it", "another line end", "an escape", "another order", "a name twice", "1.0 for 1"],
)
def test_the_same_meaning_in_other_bytes_is_found(path: Path, whole: bytes, rewrite: Callable[[bytes], bytes]) -> None:
    """An entry has one form; what two readers could read differently is no entry."""
    was = whole.splitlines()
    now = [was[0], rewrite(was[1]), *was[2:]]
    assert now != was
    assert found(path, b"\n".join(now) + b"\n").entry == 1


def test_a_checkpoint_must_be_signed_by_a_trusted_key(path: Path, whole: bytes) -> None:
    """A forged one, one of another type, one of no ledger: an error, not an opinion on the ledger."""
    path.write_bytes(whole)
    good = head(whole)
    forged = Envelope(payload_type=CHECKPOINT, payload=good.payload).signed(THIEF)
    other = Envelope(payload_type="text/plain", payload=good.payload).signed(KEY)
    empty = Envelope(payload_type=CHECKPOINT, payload=b"{}").signed(KEY)
    for envelope in (forged, other, empty, Envelope(payload_type=CHECKPOINT, payload=good.payload)):
        with pytest.raises(SignatureError):
            verify(path, TRUSTED, earlier_checkpoint=envelope)


def test_no_key_is_an_error(path: Path, whole: bytes) -> None:
    """With nothing to trust nothing is verified."""
    path.write_bytes(whole)
    with pytest.raises(SignatureError):
        verify(path, [])


def test_a_second_key_must_be_trusted_too(path: Path, whole: bytes) -> None:
    """After a change of keys a reader needs both; the entry of the change names the new one."""
    path.write_bytes(whole)
    Ledger(path, THIEF).append("checkpoint", {"by": "officer"})
    error = found(path, path.read_bytes())
    assert (error.entry, THIEF.key_id in str(error)) == (len(CONTENTS) + 1, True)
    assert verify(path, [THIEF.public, KEY.public]).kinds["key_created"] == 2


def test_a_checkpoint_is_one_entry_alone(whole: bytes) -> None:
    """A call's signed head needs no ledger: its line and the public key are enough."""
    for line in whole.splitlines():
        Entry.parse(line).authenticate(KEY.public)
        with pytest.raises(SignatureError):
            Entry.parse(line).authenticate(THIEF.public)
