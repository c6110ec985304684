"""What the audit's self-test rests on; the sabotages themselves are played by `make audit-selftest`."""

from __future__ import annotations

import importlib
import inspect
import json
import os
from collections.abc import Iterator
from inspect import Parameter, Signature
from types import FunctionType, ModuleType

import pytest
from tests.audit.selftest.playing import Played, wrong
from tests.audit.selftest.sabotage import Alter, Sabotage, is_process
from tests.audit.selftest.sabotages import load


@pytest.mark.parametrize("one", load().values(), ids=lambda one: one.name)
def test_no_sabotage_reaches_the_auditor(one: Sabotage) -> None:
    """Its process is another, whatever else stands on the auditor's command line."""
    auditor = ("python", "-c", "from medagent.cli import main; main()", "audit", "run", "protocol.yaml", "--out", "off")
    assert not is_process(one.process, auditor)


def test_there_are_more_than_twenty_five_and_each_breaks_something() -> None:
    """Every one alters a module or the policy, and names the cause that it expects."""
    assert len(load()) >= 25
    assert all(one.causes and (one.alterations or one.policy) for one in load().values())


def test_another_cause_and_an_unaltered_system_are_no_proof() -> None:
    """What fails for another reason, what passes, and what broke nothing are all wrong."""
    sabotage = load()["alert_muted"]

    def played(verdict: str, *causes: str, trouble: str = "") -> Played:
        return Played(sabotage=sabotage, verdict=verdict, causes=causes, seconds=1.0, trouble=trouble)

    silent = "alerts: silent: error_rate (limit: 3 alerts)"
    assert wrong([played("NOT CLEAN", silent)]) == []
    mistaken = [
        played("NOT CLEAN", "leaks: 1 found"),
        played("CLEAN"),
        played("NOT CLEAN", silent, trouble="nothing was altered"),
    ]
    assert wrong(mistaken) == mistaken


@pytest.mark.timing
@pytest.mark.parametrize("name", sorted({module for one in load().values() for module in one.alterations}))
def test_sabotages_fit_what_they_alter(name: str) -> None:
    """Each alteration changes the module, and what it puts there takes the arguments of what was there.

    One that does not breaks the system in another way than it says, which proves nothing.
    """
    module = importlib.import_module(name)
    alterations = [(one.name, alter) for one in load().values() for of, alter in one.alterations.items() if of == name]
    assert {sabotage: found for sabotage, alter in alterations if (found := _misfits(module, alter))} == {}


def _misfits(module: ModuleType, alter: Alter) -> list[str]:
    """Alter a module in a fork of this process and return what does not fit."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            before = dict(_members(module))
            alter(module)
            changed = {place: new for place, new in _members(module) if before.get(place) is not new}
            found = [f"{place}: {why}" for place, new in changed.items() if (why := _misfit(before.get(place), new))]
            found = found if changed else ["nothing changed"]
        except BaseException as error:  # noqa: BLE001  # a fork of a test must end here
            found = [f"{type(error).__name__}: {error}"]
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return list(json.loads(told))


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, value in vars(module).items():
        yield name, value
        if isinstance(value, type):
            yield from ((f"{name}.{each}", inspect.getattr_static(value, each)) for each in dir(value))


def _misfit(old: object, new: object) -> str | None:
    """Return why a function cannot be called as the one was that it replaces; None where it can."""
    if (before := _signature(old)) is None or (after := _signature(new)) is None:
        return None
    named = {one.name: one.kind for one in before.parameters.values()}
    given = {name for name, kind in named.items() if kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)}
    by_name = {name for name in given if named[name] is Parameter.KEYWORD_ONLY}
    try:
        after.bind(*(given - by_name), **dict.fromkeys(by_name))
    except TypeError as misplaced:
        try:
            after.bind(**dict.fromkeys(given))
        except TypeError:
            return str(misplaced)
    return None


def _signature(member: object) -> Signature | None:
    """Return how a function or method is called from outside; None for anything else."""
    if isinstance(member, classmethod):
        parameters = list(inspect.signature(member.__func__).parameters.values())
        return Signature(parameters[1:])
    function = member.__func__ if isinstance(member, staticmethod) else member
    return inspect.signature(function) if isinstance(function, FunctionType) else None
