"""The signed check of what is installed: who made it, its age, what a process has loaded, what a crash leaves."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import medagent
from attestation.audits import HOST, LIST, NOW, SECRET, audit, bound_to, pin
from installations import Site, check_a_small_installation, compiled, ledger_entries, loaded, recorded, small_site
from medagent.attestation import installed_check
from medagent.attestation.agent_files import agent_files
from medagent.attestation.installed_check import ResultStore, installed_digest, places_here, run_check
from medagent.attestation.installed_code import InstalledCode
from medagent.attestation.installed_watch import InstalledWatch, parent_started
from medagent.cli import worker
from medagent.cli.telemetry import on
from medagent.errors import AttestationError
from medagent.proof import SigningKey
from medagent.runtime import installed, installed_watch
from medagent.runtime import telemetry as telemetry_runtime
from medagent.runtime.kill_switch import switch
from medagent.settings import Settings, load_settings

pytestmark = pytest.mark.timing
OTHER = SigningKey.from_seed(b"o" * 32)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_site(tmp_path / "python")


@pytest.fixture
def made(site: Site, tmp_path: Path) -> Callable[..., InstalledCode]:
    """The installed code of a host, as a process with these modules sees it."""

    def code(modules: Mapping[str, ModuleType] | None = None, **changes: Any) -> InstalledCode:
        about: dict[str, Any] = {
            "trusted": lambda: [HOST.public],
            "key": lambda: HOST,
            "modules": dict(modules or {}),
        }
        return site.code(tmp_path / "home", **(about | changes))

    return code


Made = Callable[..., InstalledCode]


# ---- the result -----------------------------------------------------------------------------------------------------


def test_check_signs_what_it_found(made: Made) -> None:
    """Every distribution, private, and the same for every process of the host."""
    result = made().check()
    assert [one.name for one in result.distributions] == ["parcel", "python", "wrapper"]
    assert (result.findings, made().result()) == ((), result)
    assert made().problem() is None
    files = [path for path in made().home.rglob("installed*") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in made().home.rglob("*"))


def test_check_is_the_same_as_that_of_another_host(made: Made, site: Site, tmp_path: Path) -> None:
    """A GO holds there too."""
    other = small_site(tmp_path / "other" / "python")
    elsewhere = other.code(tmp_path / "elsewhere", trusted=lambda: [OTHER.public], key=lambda: OTHER, modules={})
    assert elsewhere.check().sha256 == made().check().sha256


def test_result_of_another_key_is_refused(made: Made) -> None:
    """Whoever can write the file cannot make one."""
    made(key=lambda: OTHER).check()
    assert "not signed by this host" in str(made().problem())


@pytest.mark.parametrize("harm", ["changed", "torn", "empty", "a FIFO", "no JSON", "an annex changed", "an annex gone"])
def test_result_that_is_not_whole_is_refused(made: Made, harm: str) -> None:
    """Off, with the command that makes a new one."""
    result = made().check()
    path = made().home / "installed.json"
    document = json.loads(path.read_text())
    annex = made().home / "installed" / result.files_sha256
    if harm == "changed":
        payload = document["payload"]
        path.write_text(json.dumps(document | {"payload": "A" + payload[1:]}))
    elif harm == "torn":
        path.write_text(path.read_text()[:-9])
    elif harm == "empty":
        path.write_text("")
    elif harm == "no JSON":
        path.write_bytes(b"\xff\x00")
    elif harm == "a FIFO":
        path.unlink()
        os.mkfifo(path)
    elif harm == "an annex changed":
        annex.write_bytes(annex.read_bytes()[:-16] + b"x" * 16)
    else:
        annex.unlink()
    assert "medagent telemetry on --audit REPORT" in str(made().problem())


@pytest.mark.parametrize(
    ("hours", "says"), [(24.9, None), (25.1, "expected within 25 h"), (-0.05, None), (-1, "checked in the future")]
)
def test_result_ends(made: Made, monkeypatch: pytest.MonkeyPatch, hours: float, says: str | None) -> None:
    """After 25 hours, or where the clock was set back: off in a running process too, with the remedy."""
    code = made()
    result = code.check()
    assert code.problem() is None

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return result.at + timedelta(hours=hours)

    monkeypatch.setattr("medagent.attestation.installed_code.datetime", Later)
    problem = code.problem()
    assert (problem is None) is (says is None)
    assert says is None or (says in str(problem) and "start the worker anew" in str(problem))


def test_missing_result_names_the_command(made: Made) -> None:
    """A host that never checked."""
    assert "never checked on this host (to check it: medagent telemetry on --audit" in str(made().problem())


def test_second_check_compiles_nothing(made: Made) -> None:
    """Pairs of source and byte code of an earlier signed result are known; of another key's they are not."""
    assert (made().check().compiled, made().check().compiled) == (4, 0)
    made(key=lambda: OTHER).check()
    assert made().check().compiled == 4


def test_crash_in_the_middle_leaves_the_earlier_result(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each file that is written, or left unwritten, the earlier result holds, or the new one does."""
    first = made().check()
    real = installed_check.replace_file
    for written in range(4):
        count = iter(range(10))

        def dies(path: Path, content: bytes, *, count: Any = count, written: int = written) -> None:
            if next(count) >= written:
                raise OSError("killed")
            real(path, content)

        monkeypatch.setattr(installed_check, "replace_file", dies)
        with pytest.raises(AttestationError, match="cannot be written"):
            made().check()
        assert made().problem() is None
        assert made().result() == first
    monkeypatch.setattr(installed_check, "replace_file", real)
    last = made().check()
    for annex in (made().home / "installed").iterdir():
        os.utime(annex, (1_600_000_000, 1_600_000_000))  # another process may read those of the last hour
    last = made().check()
    names = {path.name for path in (made().home / "installed").iterdir()}
    assert names == {"lock", last.files_sha256, last.contents_sha256, last.pairs_sha256}


def test_child_that_is_killed_is_no_result(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check raises, and nothing is signed."""
    bad = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    monkeypatch.setattr(installed_check, "_BOOTSTRAP", bad)
    with pytest.raises(AttestationError, match=f"without a result .exit code -{int(signal.SIGKILL)}"):
        made().check()
    assert made().stamp() is None


def test_lock_lets_one_process_check(made: Made) -> None:
    """Another finds it held and does nothing; once it is free and the result is new, nothing is due."""
    code = made()
    with ResultStore(code.home).locked(waits=False) as is_held:
        assert is_held
        assert made().check_if_due(is_stopping=lambda: False) is None
    assert made().check_if_due(is_stopping=lambda: False) is not None
    assert made().check_if_due(is_stopping=lambda: False) is None
    assert made().check_if_due(since=datetime.now(UTC) + timedelta(seconds=1), is_stopping=lambda: False) is not None


# ---- the checking process -------------------------------------------------------------------------------------------


def test_checking_process_loads_nothing_of_what_it_checks(site: Site, tmp_path: Path) -> None:
    """Neither a module of the site nor byte code of ours beside its source, nor what the environment says."""
    site.install("json", "1.0", {"json.py": "raise SystemExit('the checked module is loaded')\n"})
    (site.packages / "evil.pth").write_text("import sys; sys.exit('the .pth file ran')\n")
    environment = {"PYTHONPATH": str(site.packages), "PYTHONPYCACHEPREFIX": str(tmp_path / "forged")}
    answer = run_check(site.places(), environment=environment)
    assert {one.name for one in answer.result.distributions} >= {"json", "evil.pth"}


def test_places_here_are_those_of_this_interpreter() -> None:
    """Site-packages, the standard library with its extensions, and the interpreter itself."""
    places = places_here([Path(medagent.__file__).parent])
    assert set(places.site) <= set(sys.path)
    assert {*places.stdlib, *places.site} >= {one for one in sys.path if "lib-dynload" in one}
    assert Path(json.__file__).is_relative_to(places.stdlib[0])
    assert all(Path(one).is_file() for one in places.binaries)


@pytest.mark.slow
def test_check_of_the_whole_environment_fits_this_process(tmp_path: Path) -> None:
    """Every distribution of these tests is whole, and every module that is loaded from one was checked."""
    settings = load_settings(MEDAGENT_HOME=str(tmp_path / "home"))
    here = Path(medagent.__file__).parent
    root = Path(__file__).parent.parent.parent
    uninstalled = tuple(f"{root / name}/" for name in ("bench", "examples", "scripts", "tests"))
    modules = {
        name: module
        for name, module in sys.modules.items()
        if not str(getattr(module, "__file__", None) or "").startswith(uninstalled)
    }
    code = InstalledCode(
        home=tmp_path,
        places=lambda: places_here([here]),
        environment=settings.child_environment(),
        trusted=lambda: [HOST.public],
        key=lambda: HOST,
        modules=modules,
    )
    result = code.check()
    assert result.findings == ()
    assert {"requests", "livekit-agents", "python", "medagent"} <= {one.name for one in result.distributions}
    assert code.problem() is None


# ---- a process ------------------------------------------------------------------------------------------------------


def test_process_with_checked_modules_has_no_problem(made: Made, site: Site) -> None:
    """Of a library, of Python and of our package; what has no file, or a made-up one, is left aside."""
    modules = {
        "parcel": loaded(site.packages / "parcel" / "__init__.py"),
        "posture": loaded(site.root / "stdlib" / "posture.py"),
        "medagent": loaded(site.root / "ours" / "medagent" / "__init__.py"),
        "sys": sys,
        "made": ModuleType("made"),
    }
    made().check()
    assert made(modules).problem() is None


def test_process_knows_the_pth_file_of_our_editable_install(made: Made, site: Site) -> None:
    """The file is in no digest but in the result; a process names it once it does more than add our directory."""
    ours = site.packages / "_editable_impl_medagent.pth"
    ours.write_text(f"{site.root / 'ours'}\n")
    site.install("medagent", "0.1.0", {})
    (site.packages / "medagent-0.1.0.dist-info" / "RECORD").write_text(f"{ours.name},{recorded(ours)},9\n")
    made().check()
    assert made({}).problem() is None
    ours.write_text(f"{site.root / 'ours'}\nimport os\n")
    assert f"{ours.name}: changed or added" in str(made({}).problem())


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "source": (lambda file: file.write_text(file.read_text().replace("2", "3")), "parcel/__init__.py: changed since"),
    "source gone": (lambda file: file.unlink(), "parcel/__init__.py: changed since"),
    "byte code": (lambda file: compiled(file, as_source="STOLEN = 1\n"), "byte code that is not its source's"),
    "a distribution's version": (
        lambda file: (file.parents[1] / "parcel-1.2.0.dist-info").rename(file.parents[1] / "parcel-99.0.0.dist-info"),
        "parcel 1.2.0: not what was audited (99.0.0 here)",
    ),
    "a new distribution": (lambda file: (file.parents[1] / "new-1.0.dist-info").mkdir(), "new 1.0: not what was"),
    "a .pth file": (lambda file: (file.parents[1] / "x.pth").write_text("import os\n"), "x.pth: changed or added"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_process_names_what_changed_since_the_check(made: Made, site: Site, change: str) -> None:
    """With the size and the time of before, where a file can have them."""
    file = site.packages / "parcel" / "__init__.py"
    made().check()
    status = file.stat()
    harm, says = CHANGES[change]
    harm(file)
    if file.exists():
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    problem = made({"parcel": loaded(file)}).problem()
    assert problem is not None
    assert says in problem


def test_process_accepts_the_same_content_with_another_status(made: Made, site: Site) -> None:
    """An image that was unpacked anew: times and inodes differ, nothing else does; stale byte code is ignored."""
    file = site.packages / "parcel" / "__init__.py"
    made().check()
    for path in (file, Path(importlib.util.cache_from_source(str(file)))):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert made({"parcel": loaded(file)}).problem() is None


def test_stale_byte_code_is_compared_once_it_counts(made: Made, site: Site) -> None:
    """Forged with another time it is ignored; when the source's time is set to that, the process finds it."""
    file = site.packages / "parcel" / "__init__.py"
    cache = compiled(file, as_source="STOLEN = 1\n")
    os.utime(file, (1_600_000_000, 1_600_000_000))
    assert made().check().findings == ()
    assert made({"parcel": loaded(file)}).problem() is None
    time = int.from_bytes(cache.read_bytes()[8:12], "little")
    os.utime(file, (time, time))
    assert "byte code that is not its source's" in str(made({"parcel": loaded(file)}).problem())


def test_byte_code_that_python_wrote_since_is_compared(made: Made, site: Site) -> None:
    """As where an image has none: an equal one is fine, a forged one is not."""
    file = site.packages / "parcel" / "__init__.py"
    cache = Path(importlib.util.cache_from_source(str(file)))
    cache.unlink()
    made().check()
    compiled(file)
    assert made({"parcel": loaded(file)}).problem() is None
    compiled(file, as_source="STOLEN = 1\n")
    assert "byte code" in str(made({"parcel": loaded(file)}).problem())


def test_process_refuses_a_module_from_another_place(made: Made, tmp_path: Path) -> None:
    """But for the agent's own, which a report is bound to apart; its byte code is compared all the same."""
    agent, beside, other = (tmp_path / name for name in ("agent/agent.py", "agent/tools.py", "other/tools.py"))
    for file in (agent, beside, other):
        file.parent.mkdir(exist_ok=True)
        file.write_text("x = 1\n")
        (file.parent / "__pycache__").mkdir(exist_ok=True)
    made().check()
    ours = {"agent": loaded(agent), "tools": loaded(beside)}
    about = {"agent": agent_files(agent)}
    assert made(ours, **about).problem() is None
    assert "tools.py: changed since it was checked, or loaded from a place" in str(
        made({"tools": loaded(other)}, **about).problem()
    )
    compiled(beside, as_source="STOLEN = 1\n")
    assert "byte code that is not its source's" in str(made(ours, **about).problem())


def test_module_that_is_loaded_later_is_looked_at(made: Made, site: Site, tmp_path: Path) -> None:
    """At the switch's next look after it."""
    made().check()
    modules = {"parcel": loaded(site.packages / "parcel" / "__init__.py")}
    code = made()
    code.modules = modules
    assert code.problem() is None
    (tmp_path / "late.py").write_text("")
    modules["late"] = loaded(tmp_path / "late.py")
    assert "late.py" in str(code.problem())


# ---- the host -------------------------------------------------------------------------------------------------------


@pytest.fixture
def host(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A host in prod on which a GO for this site switched telemetry on, by the command."""
    monkeypatch.setattr(installed, "installed_code", installed.installed_code)
    check_a_small_installation(site)
    basis = {"MEDAGENT_ENV": "prod", "MEDAGENT_CONSENT": "not_asked", "MEDAGENT_CONSENT_BASIS": "treatment"}
    for name, value in (SECRET | basis | {"MEDAGENT_OFFICERS": str(pin(tmp_path / "officers", LIST))}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    here = bound_to(settings)

    def for_prod(report: Any) -> Any:
        return here(report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})}))

    directory = audit(for_prod, key=HOST, began=NOW - timedelta(days=1)).complete().written(tmp_path / "audit")
    on(audit=directory, reason=None, override=False)
    assert switch(load_settings()).state().on
    return settings


def watch(settings: Settings) -> InstalledWatch:
    return installed_watch.installed_watch(settings, since=datetime.now(UTC))


def test_daily_check_that_fails_turns_a_running_process_off(host: Settings, site: Site) -> None:
    """At its next look, named in the reason and in the ledger; the same once it is mended, which turns it on again."""
    running = switch(host)
    assert running.state().on
    file = site.packages / "wrapper" / "__init__.py"
    was = file.read_bytes()
    file.write_bytes(was.replace(b"os.sep", b"os.nam"))
    watch(host).look()
    running._looked_at = float("-inf")
    state = running.state()
    assert (state.on, state.source) == (False, "audit_missing")
    assert "wrapper 0.3.1: wrapper/__init__.py is not as RECORD has it" in str(state.reason)
    assert ledger_entries(host.home)[-1]["changed"] == ["wrapper"]
    file.write_bytes(was)
    watch(host).look()
    running._looked_at = float("-inf")
    assert running.state().on
    assert [one["passed"] for one in ledger_entries(host.home)] == [True, False, True]


def test_upgrade_turns_the_next_start_off_and_on_refuses_it(host: Settings, site: Site, tmp_path: Path) -> None:
    """Named with both versions: by a process that runs, after the daily check, by a start, and by `telemetry on`."""
    running = switch(host)
    assert running.state().on
    site.remove("wrapper")
    site.install("wrapper", "99.0.0", {"wrapper/__init__.py": "SIZE = 99\n"})
    says = "wrapper 0.3.1: not what was audited (99.0.0 here)"
    watch(host).look()
    running._looked_at = float("-inf")
    assert says in str(running.state().reason)
    assert says in str(switch(load_settings()).state().reason)
    with pytest.raises(AttestationError) as refused:
        on(audit=tmp_path / "audit", reason=None, override=False)
    assert says in str(refused.value)


def test_watch_checks_nothing_where_no_report_is_in_force(host: Settings) -> None:
    """In dev, and after an off."""
    before = len(ledger_entries(host.home))
    switch(host).turn_off(reason="a drill", by="duty")
    watch(host).look()
    assert len(ledger_entries(host.home)) == before


def test_watch_ends_with_its_process_in_the_middle_of_a_check(host: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checking process is stopped, no result of it is signed, and the earlier one holds."""
    before = installed.installed_code(host).stamp()
    began = threading.Event()
    real = subprocess.Popen

    def popen(command: list[str], **about: Any) -> Any:
        code = "import sys, time\nfor n in range(10**9): sys.stderr.write('1\\n'); sys.stderr.flush(); time.sleep(0.01)"
        began.set()
        return real([sys.executable, "-c", code], **about)

    monkeypatch.setattr(installed_check.subprocess, "Popen", popen)
    running = watch(host)
    running.start()
    assert began.wait(60)
    running.stop()
    running.join(60)
    assert installed.installed_code(host).stamp() == before
    assert installed.installed_code(host).problem() is None


def until(holds: Callable[[], bool], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def aged(settings: Settings, hours: float) -> None:
    """Sign the same result with an earlier time."""
    code = installed.installed_code(settings)
    answer = run_check(code.places(), environment={})
    at = datetime.now(UTC) - timedelta(hours=hours)
    earlier = replace(answer, result=answer.result.model_copy(update={"at": at}))
    ResultStore(code.home).write(earlier, code.key())


def test_process_that_finds_an_old_result_checks_and_goes_on(host: Settings) -> None:
    """After a host was idle for days: off at the start, on again once its own check has ended."""
    aged(host, 26)
    assert "last checked at" in str(switch(load_settings()).state().reason)
    telemetry = telemetry_runtime.Telemetry(host).start()
    try:
        until(telemetry.switch.is_on)
    finally:
        telemetry.close()
    assert [one["passed"] for one in ledger_entries(host.home)] == [True, True]


def test_result_of_the_last_day_is_not_made_again(host: Settings) -> None:
    """By a process that starts: nothing is due, where its worker did not start since."""
    aged(host, 23)
    installed_watch.installed_watch(host, since=None).look()
    assert len(ledger_entries(host.home)) == 1


def test_worker_start_checks_at_once(host: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the age of the result."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://clinic.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    served: list[str] = []

    def run_worker(words: tuple[str, ...], *_: Any, **__: Any) -> None:
        until(lambda: len(ledger_entries(host.home)) == 2)
        served.extend(words)

    monkeypatch.setattr("medagent.agent.worker.run_worker", run_worker)
    worker.start()
    assert served[0] == "start"


def test_parent_started_is_before_now() -> None:
    """A job's worker is its parent: a result from before the worker's start is due."""
    started = parent_started()
    assert started is None or NOW - timedelta(days=400) < started < datetime.now(UTC)


def test_report_without_installed_distributions_is_no_go(host: Settings, tmp_path: Path) -> None:
    """As an older version wrote it: it is read, and allows nothing."""

    def old(report: Any) -> Any:
        system = report.system.model_copy(update={"installed": (), "installed_sha256": None})
        run = report.run.model_copy(update={"env": "prod"})
        return bound_to(host)(report).model_copy(update={"system": system, "run": run})

    directory = audit(old, key=HOST).complete().written(tmp_path / "old")
    with pytest.raises(AttestationError, match="the report lists no installed distributions"):
        on(audit=directory, reason=None, override=False)


def test_forged_list_of_distributions_contradicts_its_digest(host: Settings, tmp_path: Path) -> None:
    """Under the machine's own signature."""

    def forged(report: Any) -> Any:
        made = bound_to(host)(report)
        system = made.system.model_copy(update={"installed": made.system.installed[:-1]})
        assert installed_digest(system.installed) != system.installed_sha256
        return made.model_copy(update={"system": system})

    directory = audit(forged, key=HOST).complete().written(tmp_path / "forged")
    with pytest.raises(AttestationError, match="installed_sha256 is not the digest"):
        on(audit=directory, reason=None, override=False)
