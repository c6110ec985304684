"""`medagent call --agent`: somebody's own agent is played on simulated models, and nothing is sent."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import MEDAGENT, Done, run
from medagent.agent.factory import load_factory
from medagent.cli.call import _run
from medagent.rehearsal import Rehearsed, stage
from medagent.runtime.exports import exporters
from medagent.settings import load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario

pytestmark = pytest.mark.timing

EXAMPLES = Path(__file__).parents[2] / "examples"
PACE = 50
CALL = str(EXAMPLES / "refill-call.yaml")
ODD = """
import requests
import medagent
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.llm import ToolError

class Odd(Agent):
    def __init__(self, ctx):
        super().__init__(instructions="Answer." if ctx.simulated else "Never.")

    async def on_enter(self):
        self.session.generate_reply()

    @function_tool
    async def findShelf(self, rxNumber: str) -> str:
        "Find a shelf."
        return "shelf B-14"

    @function_tool
    async def callPharmacist(self, why: str) -> dict:
        "Phone the pharmacist."
        raise ToolError("nobody is there")

    @function_tool
    async def ask_supplier(self, rx: str) -> str:
        "Ask the supplier."
        return requests.get("http://supplier.example/", timeout=5).text

def factory(ctx: medagent.AgentContext):
    session = AgentSession(llm=ctx.realtime)
    medagent.trace_call(session, agent_name="odd", agent_version="3.2.1")
    return session, Odd(ctx)

def ignores(ctx):
    return AgentSession(), Agent(instructions="Say nothing.")

def raises(ctx):
    raise ValueError("Tamsin Quillfeather")
"""
ODD_CALL = """
name: odd
description: A caller whose tools answer in their own way.
seed: 3
person: {patient_name: Tamsin Quillfeather, rx: RX-4471902}
turns:
  - model: [{says: Good morning.}]
  - caller: {says: "Number ${person.rx}."}
    model:
      - {tool: findShelf, arguments: {rxNumber: "${person.rx}"}, otherwise: {says: Never.}}
      - {says: "It is on ${findShelf}."}
  - caller: {says: Call them.}
    model:
      - {tool: callPharmacist, arguments: {why: asked}, otherwise: {says: Nobody is there.}}
      - {says: Never.}
  - caller: {says: Ask the supplier.}
    model:
      - {tool: ask_supplier, arguments: {rx: x}, otherwise: {says: They do not answer.}}
      - {says: Never.}
expects: {}
"""
SILENT = """
name: silent
description: A caller who says nothing.
seed: 3
person: {patient_name: Tamsin Quillfeather}
turns: [{model: [{says: Good morning.}]}]
hangs_up_after_s: 1
expects: {ended: hung up}
"""


def medagent(directory: Path, *words: str, **environment: str) -> Done:
    """Run a command in a directory whose `home` keeps its state."""
    kept = {"MEDAGENT_HOME": str(directory / "home"), **environment}
    return run(*words, environment={**os.environ, **kept}, directory=directory)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One simulator for the calls that are played in this process."""
    silent = tmp_path_factory.mktemp("scenarios") / "silent.yaml"
    silent.write_text(SILENT)
    with SimulatorProcess([CALL, silent], pace=PACE, environment=dict(os.environ)) as process:
        yield process


async def played(scenario: str | Path, factory: str, simulator: SimulatorProcess) -> Rehearsed:
    settings = load_settings()
    async with stage(settings, [], pace=PACE, simulator=simulator, factory=load_factory(factory)) as line:
        return await line.play(load_scenario(scenario))


@pytest.mark.parametrize("mode", ["realtime", "pipeline"])
async def test_the_example_is_played_and_traced(
    mode: str, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tools run with what the scenario says, its policy decides, and the trace is whole."""
    monkeypatch.setenv("MEDAGENT_POLICY", str(EXAMPLES / "refill-line.yaml"))
    factory = {"realtime": "factory", "pipeline": "pipeline"}[mode]
    call = await played(CALL, f"{EXAMPLES / 'refill_line.py'}:{factory}", simulator)
    assert (call.problems, call.notes, call.ended) == ([], [], "done")
    named: dict[str, Any] = {span.name: span.fields for span in call.spans}
    assert named["session.start"]["mode"] == mode
    assert (named["voice_session"]["outcome"], named["voice_session"]["complete"]) == ("ordered", True)
    assert named["tool.find_prescription"]["result"]["refills_left"] == 2
    assert [tool["name"] for tool in named["session.end"]["tools"]] == ["find_prescription", "order_refill"]
    left = json.dumps([span.document() for span in call.spans])
    assert not re.search("Tamsin|Quillfeather|4471902|Osprey", left)


async def test_a_factory_that_ignores_the_models_is_named(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """The call was played, and says nothing of the agent."""
    (tmp_path / "deaf.py").write_text(ODD)
    (tmp_path / "silent.yaml").write_text(SILENT)
    call = await played(tmp_path / "silent.yaml", f"{tmp_path / 'deaf.py'}:ignores", simulator)
    said = f"{tmp_path / 'deaf.py'}:ignores: no request reached the simulator, expected ctx.realtime or ctx.llm"
    assert call.problems[0].startswith(said)


def test_without_destinations_leaves_the_archive_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is set, a key, a list or an address."""
    settings = {
        "LANGSMITH_API_KEY": "k",
        "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
        "MEDAGENT_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "LANGFUSE_PUBLIC_KEY": "p",
        "LANGFUSE_SECRET_KEY": "s",
        "MEDAGENT_JSONLOG": "stdout",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = {False: load_settings(), True: load_settings().without_destinations()}
    made = {is_without: exporters(one) for is_without, one in found.items()}
    names = {is_without: [one.name for one in each] for is_without, each in made.items()}
    for one in (*made[False], *made[True]):
        one.close()
    assert names == {False: ["archive", "langsmith", "otlp", "langfuse", "jsonlog"], True: ["archive"]}
    assert not found[True].unusable_destinations()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A call to an agent of unusual tools, on an ascii terminal, with a destination set."""
    directory = tmp_path_factory.mktemp("odd")
    (directory / "odd.py").write_text(ODD)
    (directory / "odd.yaml").write_text(ODD_CALL)
    set_ = {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ascii_ = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}  # read when an interpreter starts, which a fork does not
    done = subprocess.run(
        [MEDAGENT, "call", "odd.yaml", "--agent", "odd", "--pace", str(PACE)],
        cwd=directory,
        env={**os.environ, "MEDAGENT_HOME": str(directory / "home"), **set_, **ascii_},
        capture_output=True,
        text=True,
        check=False,
    )
    return directory, Done(code=done.returncode, out=done.stdout, err=done.stderr)


def test_unusual_tools_are_called_and_their_failures_are_heard(odd: tuple[Path, Done]) -> None:
    """A camelCase tool returns a text, another raises a ToolError: the model goes on, or says the `otherwise`."""
    _, done = odd
    tools = re.findall(r"tool +(\w+): (\w+)", done.out)
    assert tools == [("findShelf", "done"), ("callPharmacist", "error"), ("ask_supplier", "error")]
    assert done.out.count("agent  speaks") == 4
    assert "Never." not in done.out
    assert "odd: traced by its own trace_call" in done.out
    assert re.search(r"session.start .* 3\.2\.1", done.out)


def test_a_refused_host_is_named_and_fails_the_call(odd: tuple[Path, Done]) -> None:
    """By its name, with the option that allows it."""
    _, done = odd
    assert done.code == 1
    assert "supplier.example: connection refused, expected a host of --allow-host" in done.err


def test_an_ascii_terminal_shows_the_call(odd: tuple[Path, Done]) -> None:
    """Quotes and guides become ASCII; there is no traceback."""
    _, done = odd
    assert done.out.isascii()
    assert 'caller "Number RX-4471902."' in done.out
    assert "Traceback" not in done.err


def test_no_destination_receives_a_span_without_send(odd: tuple[Path, Done]) -> None:
    """Nothing waits for one either, so that no later process sends it; the output says so."""
    directory, done = odd
    assert "Its spans stay in the archive of this host (otlp: only with --send)." in done.out
    set_ = {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    status = medagent(directory, "outbox", "status", "--json", **set_)
    assert json.loads(status.out)["due"] == {"archive": 0, "otlp": 0}
    listed = medagent(directory, "trace", "list", "--json")
    assert len(listed.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("odd.yaml", "--agent", "gone:factory", "--send"), "gone: module not found, expected a Python module"),
        (("--agent", "odd"), "--agent: a scenario is missing"),
        (("--all", "--agent", "odd"), "--agent: a scenario is missing, or --all"),
        (("odd.yaml",), "expects.outcome: no outcome"),
        (("book", "--send"), "--allow-host and --send: no agent, expected --agent"),
        (("cancel", "--agent", "odd"), "given.appointments: only the clinic's own agent has a clinic"),
    ],
    ids=["gone", "no-scenario", "all", "clinic", "send", "given"],
)
def test_what_cannot_be_played_is_an_error(odd: tuple[Path, Done], words: tuple[str, ...], says: str) -> None:
    """Exit code 2, two lines, and no message of somebody's exception."""
    done = medagent(odd[0], "call", *words, "--pace", str(PACE))
    assert done.code == 2
    assert re.search(says, done.err)
    assert "Traceback" not in done.err


def test_the_first_line_says_that_tools_run_and_send_names_the_destinations(odd: tuple[Path, Done]) -> None:
    """Before the module's code runs, and on stderr where stdout is JSON."""
    set_ = {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = medagent(odd[0], "call", "odd.yaml", "--agent", "gone", "--send", "--json", **set_)
    assert done.out == ""
    assert done.err.splitlines()[:2] == [
        "Agent gone: its tools really run; only the caller and the models are simulated.",
        "Its spans are sent to: otlp. It may connect to: 127.0.0.1.",
    ]


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """A shell's job in the background ignores Ctrl-C, and its children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupted(odd: tuple[Path, Done], tmp_path: Path, hears_interrupts: None) -> Iterator[subprocess.Popen[str]]:
    """A call at the pace of life in a session of its own, as a terminal has it, once its agent speaks."""
    environment = {**os.environ, "MEDAGENT_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [MEDAGENT, "call", "odd.yaml", "--agent", "odd"],
        cwd=odd[0],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "speaks" in line:
            break
    yield process
    process.kill()
    process.wait()


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def test_ctrl_c_seals_the_trace_and_leaves_no_process(interrupted: subprocess.Popen[str], tmp_path: Path) -> None:
    """The whole terminal is interrupted: exit code 130, no traceback, the call ends by shutdown, its simulator too."""
    started = children(interrupted.pid)
    assert started
    os.killpg(interrupted.pid, signal.SIGINT)
    assert interrupted.stdout is not None
    rest = interrupted.stdout.read()
    assert interrupted.wait(60) == 130, rest
    assert "Traceback" not in rest
    [trace_id] = re.findall(r"medagent trace show (\w+)", rest)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    shown = medagent(tmp_path, "trace", "show", trace_id, "--json")
    named = {span["name"]: span["fields"] for span in map(json.loads, shown.out.splitlines())}
    assert named["session.end"]["reason"] == "shutdown"
    assert "policy.guardrail" in named


@pytest.mark.parametrize("raises", [None, RuntimeError("closed")], ids=["swallowed", "replaced"])
@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_counts_whatever_ends_the_calls(raises: Exception | None) -> None:
    """A library that swallows the cancellation, or fails while it closes, makes no other end of Ctrl-C."""

    async def interrupted() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if raises is not None:
                raise raises from None
        return "played"

    with pytest.raises(KeyboardInterrupt):
        _run(interrupted())
