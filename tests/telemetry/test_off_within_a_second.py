"""The promise in seconds: `medagent telemetry off` stops a delivery that sends refused batches span by span."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from command import MEDAGENT, medagent
from medagent.audit.capture import Capture, Document, span_count
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.outbox import Outbox
from spans import call

pytestmark = [pytest.mark.deadline, pytest.mark.timing]


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code; abort a process that hangs, so that it writes the stack of each thread."""
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        return process.wait(60)


def metrics_after(capture: Capture, moment: float) -> list[Document]:
    return [one for one in capture.documents() if one.is_metrics and one.at > moment]


@pytest.mark.parametrize("status", [409, 400, 413])
@pytest.mark.parametrize("name", ["langsmith", "otlp", "langfuse"])
def test_off_takes_effect_within_a_second(tmp_path: Path, name: str, status: int) -> None:
    """No request begins later than a second after the switch was written, whatever batches are answered."""
    home = tmp_path / "home"
    with Capture(batch_status=status) as capture:
        environment = {
            "langsmith": {"LANGSMITH_API_KEY": "k", "LANGSMITH_ENDPOINT": capture.url("langsmith")},
            "otlp": {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": capture.url("otlp")},
            "langfuse": {
                "MEDAGENT_DESTINATIONS": "langfuse",
                "LANGFUSE_PUBLIC_KEY": "p",
                "LANGFUSE_SECRET_KEY": "s",
                "LANGFUSE_BASE_URL": capture.url("langfuse"),
            },
        }[name]
        outbox = Outbox(f"sqlite:///{home / 'outbox' / 'outbox.db'}", destinations=[name], owner="o")
        spans = call()
        with outbox.transaction() as transaction:
            transaction.open_call(spans[0].trace_id, release="released")
            for span in spans:
                transaction.put(Admitted.of(span), final=True)
        outbox.close()
        said = tmp_path / "stderr"
        with said.open("wb") as stderr:
            following = subprocess.Popen(
                [MEDAGENT, "ship", "--follow"],
                env={**os.environ, "MEDAGENT_HOME": str(home), "PYTHONFAULTHANDLER": "1", **environment},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            until = time.monotonic() + 60
            is_repeated = status == 409 and name != "langsmith"
            while time.monotonic() < until:
                bodies = [one.raw for one in capture.documents() if one.path.endswith(" body") and not one.is_metrics]
                counts = [span_count(name, body) for body in bodies]
                if (len(counts) > 1) if is_repeated else (1 in counts):
                    break
                time.sleep(0.02)
            assert medagent("telemetry", "off", "--reason", "drill", home=home, **environment).code == 0
            capture.go_on()
            written = datetime.fromisoformat(json.loads((home / "switch.json").read_bytes())["at"]).timestamp()
            time.sleep(3)
            late = [one.at - written for one in capture.documents() if one.at > written + 1]
            assert late == []
            following.send_signal(signal.SIGTERM)
            assert exit_code(following) == 0, said.read_text()
        finally:
            following.kill()
            following.wait()


@pytest.mark.parametrize("is_off", [True, False], ids=["off", "on"])
def test_off_stops_metrics_within_a_second(tmp_path: Path, is_off: bool) -> None:
    """Metrics of what was just delivered are due seconds later: after off no request begins, without it one does."""
    home = tmp_path / "home"
    with Capture() as capture:
        environment = {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": capture.url("otlp")}
        outbox = Outbox(f"sqlite:///{home / 'outbox' / 'outbox.db'}", destinations=["otlp"], owner="o")
        spans = call()
        following = subprocess.Popen(
            [MEDAGENT, "ship", "--follow"],
            env={**os.environ, "MEDAGENT_HOME": str(home), **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with outbox.transaction() as transaction:
                transaction.open_call(spans[0].trace_id, release="released")
                for span in spans:
                    transaction.put(Admitted.of(span), final=True)
            until = time.monotonic() + 60
            while outbox.waits("otlp") and time.monotonic() < until:
                time.sleep(0.01)
            assert not outbox.waits("otlp")
            told = [one for one in capture.documents() if one.is_metrics]
            off_at = time.time()
            if is_off:
                command = medagent("telemetry", "off", "--reason", "drill", home=home, **environment)
                assert command.code == 0
                off_at = datetime.fromisoformat(json.loads((home / "switch.json").read_bytes())["at"]).timestamp()
            late = functools.partial(metrics_after, capture, off_at + 1)
            until = time.monotonic() + (8 if is_off else 60)  # meant to expire
            while not (told and not is_off) and not late() and time.monotonic() < until:
                time.sleep(0.05)
            assert (late() == []) if is_off else (told or late())
        finally:
            following.terminate()
            assert exit_code(following) == 0
            outbox.close()
