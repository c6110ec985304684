"""The outbox: what was accepted is there, in its order, in one whole chain, whatever happened."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import MedagentError, OutboxError, OutboxUnavailableError
from medagent.proof import GENESIS, digest
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.span_store import Release
from outboxes import CALLS, admitted, begin, put

PLACES = ["archive", "elsewhere"]
SECRET = "Jane Doe 555-0142"


def open_outbox(directory: Path, **about: str) -> Outbox:
    return Outbox(f"sqlite:///{directory / 'outbox' / 'outbox.db'}", destinations=PLACES, owner=about.get("owner", "o"))


def due(outbox: Outbox, place: str = "archive") -> list[str]:
    return [f"{span.name}.{span.fields['index']}" for span in outbox.due(place, 1000)]


def check_chains(spans: list[SafeSpan]) -> dict[str, int]:
    """By the definition, not by our own code: number by number, hash over number, hash before and digest."""
    heads: dict[str, tuple[int, str]] = {}
    for span in spans:
        assert span.seal is not None
        number, previous = heads.get(span.trace_id, (0, GENESIS))
        assert (span.seal.sequence, span.seal.previous) == (number, previous)
        body = {name: value for name, value in span.document().items() if name != "seal"}
        chained = digest({"sequence": number, "previous": previous, "digest": digest(body)})
        assert span.seal.hash == chained
        heads[span.trace_id] = (number + 1, chained)
    return {trace_id: number for trace_id, (number, _) in heads.items()}


# ---- provisional, ready, sealed --------------------------------------------------------------------------------------


def test_a_provisional_span_is_replaced_and_then_final(outbox: Outbox) -> None:
    """A provisional form is not due and may be replaced; a sealed span never is."""
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "voice_session", final=False, note="first")
    put(outbox, CALLS[0], "voice_session", final=False, note="second")
    assert (due(outbox), outbox.status().provisional) == ([], 1)
    put(outbox, CALLS[0], "voice_session", note="third")
    [span] = outbox.due("archive", 10)
    assert span.fields["note"] == "third"
    for final in (True, False):
        with pytest.raises(OutboxError):
            put(outbox, CALLS[0], "voice_session", final=final, note="fourth")
    assert [span.fields["note"] for span in outbox.due("archive", 10)] == ["third"]


def test_a_held_call_is_released_in_order(outbox: Outbox) -> None:
    """Nothing is numbered or due until consent; then all is, in the order in which it came."""
    begin(outbox, CALLS[0], "held")
    put(outbox, CALLS[0], "voice_session", final=False)
    for number in range(3):
        put(outbox, CALLS[0], "user_turn", number)
    assert (due(outbox), outbox.status().ready) == ([], 3)
    with outbox.transaction() as transaction:
        transaction.release(CALLS[0])
        transaction.release(CALLS[0])
    put(outbox, CALLS[0], "user_turn", 3)
    put(outbox, CALLS[0], "voice_session")
    assert due(outbox) == ["user_turn.0", "user_turn.1", "user_turn.2", "user_turn.3", "voice_session.0"]
    assert check_chains(outbox.due("archive", 10)) == {CALLS[0]: 5}


@pytest.mark.parametrize("release", ["held", "released"])
def test_a_refusal_leaves_the_session_and_its_guardrail(outbox: Outbox, release: Release) -> None:
    """Whatever is not sealed is deleted, nothing else is taken, and the two are numbered."""
    begin(outbox, CALLS[0], release)
    for name in ("voice_session", "policy.guardrail", "tool.book_appointment"):
        put(outbox, CALLS[0], name, final=False)
    with outbox.transaction() as transaction:
        transaction.withdraw(CALLS[0])
        transaction.release(CALLS[0])
    for name in ("agent_turn", "tool.book_appointment", "voice_session", "policy.guardrail"):
        put(outbox, CALLS[0], name)
    with outbox.transaction() as transaction:
        head = transaction.close_call(CALLS[0])
    assert due(outbox) == ["voice_session.0", "policy.guardrail.0"]
    spans = outbox.due("archive", 10)
    assert check_chains(spans) == {CALLS[0]: 2}
    assert spans[-1].seal is not None
    assert spans[-1].seal.hash == head
    assert outbox.status().provisional == outbox.status().ready == 0


def test_a_refusal_deletes_what_was_ready(outbox: Outbox) -> None:
    """A final span of a held call goes too."""
    begin(outbox, CALLS[0], "held")
    put(outbox, CALLS[0], "user_turn")
    with outbox.transaction() as transaction:
        transaction.withdraw(CALLS[0])
    assert (due(outbox), outbox.status().ready) == ([], 0)


def test_an_abandoned_call_keeps_only_what_was_sealed(outbox: Outbox) -> None:
    """A call that ends while telemetry is off leaves no provisional span behind, and takes no other."""
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "voice_session", final=False)
    put(outbox, CALLS[0], "user_turn")
    with outbox.transaction() as transaction:
        transaction.abandon(CALLS[0])
    assert (due(outbox), outbox.status().provisional) == (["user_turn.0"], 0)
    with pytest.raises(OutboxError):
        put(outbox, CALLS[0], "user_turn", 1)


def test_a_closed_call_leaves_nothing_unfinished(outbox: Outbox) -> None:
    """What never became final goes when the chain ends; a held call cannot be closed."""
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "voice_session", final=False)
    begin(outbox, CALLS[1], "held")
    with outbox.transaction() as transaction:
        assert transaction.close_call(CALLS[0]) == GENESIS
    assert outbox.status().provisional == 0
    with pytest.raises(OutboxError), outbox.transaction() as transaction:
        transaction.close_call(CALLS[1])


def test_a_call_that_is_not_open_takes_nothing(outbox: Outbox) -> None:
    """A span without its call is refused, and so is every change of it."""
    with pytest.raises(OutboxError):
        put(outbox, CALLS[0], "user_turn")
    for change in ("release", "withdraw", "abandon", "close_call"):
        with pytest.raises(OutboxError), outbox.transaction() as transaction:
            getattr(transaction, change)(CALLS[0])


# ---- one transaction, any interleaving -------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(outbox: Outbox) -> None:
    """A slice that fails half way has not happened."""
    begin(outbox, CALLS[0])

    def stumble() -> None:
        with outbox.transaction() as transaction:
            transaction.put(admitted(CALLS[0], "user_turn"), final=True)
            transaction.open_call(CALLS[1], release="released")
            raise KeyError

    with pytest.raises(KeyError):
        stumble()
    assert due(outbox) == []
    put(outbox, CALLS[0], "user_turn", 7)
    begin(outbox, CALLS[1])
    assert check_chains(outbox.due("archive", 10)) == {CALLS[0]: 1}


_steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(CALLS),
        st.sampled_from(
            ["open", "held", "put", "put", "put", "provisional", "release", "withdraw", "close", "abandon"]
        ),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(steps=_steps)
def test_any_interleaving_leaves_whole_chains(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    """Several calls through several outboxes of one file: each chain is whole, in order, and says what was accepted."""
    directory = tmp_path_factory.mktemp("interleaved")
    outboxes = [open_outbox(directory) for _ in range(3)]
    accepted: dict[str, list[str]] = {}
    refusals: list[str] = []
    for which, trace_id, what, number in steps:
        try:
            with outboxes[which].transaction() as transaction:
                match what:
                    case "open" | "held":
                        transaction.open_call(trace_id, release="held" if what == "held" else "released")
                    case "put" | "provisional":
                        transaction.put(admitted(trace_id, "user_turn", number), final=what == "put")
                        if what == "put":
                            accepted.setdefault(trace_id, []).append(f"user_turn.{number}")
                    case "release":
                        transaction.release(trace_id)
                    case "withdraw":
                        transaction.withdraw(trace_id)
                    case "close":
                        transaction.close_call(trace_id)
                    case "abandon":
                        transaction.abandon(trace_id)
        except OutboxError as error:
            refusals.append(str(error))
    expected = ("is not open", "is closed", "is final already", "is still held", "was opened before")
    assert all(any(said in refusal for said in expected) for refusal in refusals)
    spans = outboxes[0].due("archive", 1000)
    assert [span.span_id for span in outboxes[1].due("elsewhere", 1000)] == [span.span_id for span in spans]
    for trace_id, count in check_chains(spans).items():
        mine = [f"{span.name}.{span.fields['index']}" for span in spans if span.trace_id == trace_id]
        assert len(mine) == count == len(set(mine))
        assert set(mine) <= set(accepted[trace_id])
    for one in outboxes:
        one.close()


def _write_a_call(directory: Path, trace_id: str) -> None:
    with closing(open_outbox(directory, owner=trace_id)) as outbox:
        begin(outbox, trace_id)
        for number in range(15):
            put(outbox, trace_id, "user_turn", number)
        with outbox.transaction() as transaction:
            transaction.close_call(trace_id)


@pytest.mark.timing
def test_several_processes_share_one_file(tmp_path: Path) -> None:
    """Four processes that open the same new file at once write four whole calls."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_a_call, args=(tmp_path, trace_id)) for trace_id in CALLS]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    with closing(open_outbox(tmp_path)) as outbox:
        assert check_chains(outbox.due("archive", 1000)) == dict.fromkeys(CALLS, 15)


# ---- delivery --------------------------------------------------------------------------------------------------------


def test_what_all_have_leaves_and_what_one_lacks_stays(outbox: Outbox, outbox_url: str) -> None:
    """A span is kept as long as one destination has not had it; a second delivery changes nothing."""
    begin(outbox, CALLS[0])
    for number in range(3):
        put(outbox, CALLS[0], "user_turn", number)
    assert outbox.status().due == {"archive": 3, "elsewhere": 3}
    first = outbox.due("archive", 2)
    outbox.delivered("archive", first)
    outbox.delivered("archive", first)
    assert (due(outbox), len(due(outbox, "elsewhere"))) == (["user_turn.2"], 3)
    outbox.delivered("elsewhere", first)
    put(outbox, CALLS[0], "user_turn", 3)
    assert due(outbox) == due(outbox, "elsewhere") == ["user_turn.2", "user_turn.3"]
    with sa.create_engine(outbox_url).connect() as raw:
        assert raw.execute(sa.text("SELECT count(*) FROM spans")).scalar() == 2


def test_a_failure_stays_due_and_names_its_kind(outbox: Outbox) -> None:
    """What failed is due as before, oldest first, and the status says with which error."""
    begin(outbox, CALLS[0])
    for number in range(3):
        put(outbox, CALLS[0], "user_turn", number)
    outbox.failed("elsewhere", outbox.due("elsewhere", 1), error="ExportError")
    assert due(outbox, "elsewhere") == ["user_turn.0", "user_turn.1", "user_turn.2"]
    assert due(outbox, "elsewhere")[:1] == [f"{s.name}.{s.fields['index']}" for s in outbox.due("elsewhere", 1)]
    assert outbox.status().last_errors == {"elsewhere": "ExportError"}


# ---- when the disk fails ---------------------------------------------------------------------------------------------


def _says_no_value(error: MedagentError) -> bool:
    return SECRET not in error.diagnostics() and "Jane" not in repr(error) and error.__cause__ is None


def test_a_file_that_is_none_is_unavailable(tmp_path: Path) -> None:
    """A directory, a parent that is a file: an error of ours at the first use, and none before."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    for path in ("directory", "file/outbox.db"):
        outbox = Outbox(f"sqlite:///{tmp_path / path}", destinations=PLACES, owner="o")
        with pytest.raises(OutboxUnavailableError) as caught:
            outbox.status()
        assert _says_no_value(caught.value)


def _in_a_child(work: object, *arguments: object) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)  # type: ignore[arg-type]
    child.start()
    child.join(30)
    return child.exitcode


def _fill(directory: Path) -> None:
    """Exits 0 if a disk that is full refuses a transaction whole, with an error that says nothing."""
    outbox = open_outbox(directory)
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "user_turn", 0)
    used = max(file.stat().st_size for file in (directory / "outbox").iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (used + 4096, used + 4096))
    try:
        with outbox.transaction() as transaction:
            for number in range(1, 500):
                transaction.put(admitted(CALLS[0], "user_turn", number, SECRET * 100), final=True)
    except OutboxUnavailableError as error:
        os._exit(0 if _says_no_value(error) else 3)
    os._exit(2)


@pytest.mark.timing
def test_a_full_disk_refuses_the_transaction_and_keeps_the_rest(tmp_path: Path) -> None:
    """Nothing of the slice that did not fit was accepted; what was there before is whole."""
    assert _in_a_child(_fill, tmp_path) == 0
    with closing(open_outbox(tmp_path)) as outbox:
        assert due(outbox) == ["user_turn.0"]
        assert check_chains(outbox.due("archive", 10)) == {CALLS[0]: 1}


def _write_read_only(directory: Path) -> None:
    if os.geteuid() == 0:
        os.setuid(65_534)  # permission bits do not bind the superuser
    try:
        with open_outbox(directory).transaction() as transaction:
            transaction.open_call(CALLS[0], release="released")
    except OutboxUnavailableError as error:
        os._exit(0 if _says_no_value(error) else 3)
    os._exit(2)


@pytest.mark.timing
def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    """A user who may not write there gets our error, and the file is as it was."""
    with closing(open_outbox(tmp_path)) as outbox:
        begin(outbox, CALLS[1])
    above = [tmp_path, *list(tmp_path.parents)[:2]]
    before = [path.stat().st_mode for path in above]
    for path in above:
        path.chmod(path.stat().st_mode | 0o055)
    (tmp_path / "outbox").chmod(0o555)
    (tmp_path / "outbox" / "outbox.db").chmod(0o444)
    try:
        assert _in_a_child(_write_read_only, tmp_path) == 0
    finally:
        (tmp_path / "outbox").chmod(0o700)
        for path, mode in zip(above, before, strict=True):
            path.chmod(mode)


def _write_for_ever(directory: Path) -> None:
    outbox = open_outbox(directory)
    begin(outbox, CALLS[0])
    for number in range(100_000):
        with outbox.transaction() as transaction:
            for part in range(3):
                transaction.put(admitted(CALLS[0], "user_turn", 3 * number + part), final=True)


@pytest.mark.timing
@pytest.mark.parametrize("after", [1, 40])
def test_a_writer_that_is_killed_leaves_a_whole_chain(tmp_path: Path, after: int) -> None:
    """After `kill -9` in the middle of many transactions the file opens, and no transaction is there by half."""
    open_outbox(tmp_path).close()
    child = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(tmp_path,))
    child.start()
    deadline = time.monotonic() + 60
    with closing(open_outbox(tmp_path)) as watching:
        while len(watching.due("archive", after)) < after and time.monotonic() < deadline:
            time.sleep(0.005)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(60)
    with closing(open_outbox(tmp_path)) as outbox:
        spans = outbox.due("archive", 100_000)
        assert len(spans) >= after
        assert len(spans) % 3 == 0
        assert [span.fields["index"] for span in spans] == list(range(len(spans)))
        assert check_chains(spans) == {CALLS[0]: len(spans)}


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """The directory and every file in it belong to their user alone."""
    begin(open_outbox(tmp_path), CALLS[0])
    files = [tmp_path / "outbox", *(tmp_path / "outbox").iterdir()]
    assert len(files) > 1
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.mark.timing
def test_threads_share_an_outbox(outbox: Outbox) -> None:
    """A worker that writes and shippers that read and deliver do not get into each other's way."""
    begin(outbox, CALLS[0])
    shipped: list[SafeSpan] = []

    def ship() -> None:
        while len(shipped) < 40:
            batch = outbox.due("archive", 7)
            shipped.extend(batch)
            outbox.delivered("archive", batch)

    shipper = threading.Thread(target=ship, daemon=True)
    shipper.start()
    for number in range(40):
        put(outbox, CALLS[0], "user_turn", number)
    shipper.join(60)
    assert check_chains(shipped) == {CALLS[0]: 40}
    assert len(due(outbox, "elsewhere")) == 40
