"""Every change of what is installed is found and named; what differs from host to host of one image changes nothing."""

from __future__ import annotations

import importlib.machinery
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from installations import Site, compiled, recorded, small_site
from medagent.attestation.checked_files import CheckedFiles
from medagent.attestation.installed import Distribution, Inventory, inventory

FOREIGN = "byte code that is not its source's"
TAG = sys.implementation.cache_tag
EXTENSION = importlib.machinery.EXTENSION_SUFFIXES[0]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_site(tmp_path / "python")


def checked(site: Site) -> Inventory:
    return inventory(site.places(), CheckedFiles(cache_prefix=None))


def changed(before: Inventory, after: Inventory) -> list[str]:
    """The names of the distributions that are not the same."""
    differ = {*before.distributions} ^ {*after.distributions}
    return sorted({one.name for one in differ})


def test_inventory_lists_each_distribution_and_python(site: Site) -> None:
    """Each with its version and a digest, and nothing is wrong with them."""
    found = checked(site)
    assert [(one.name, one.version) for one in found.distributions] == [
        ("parcel", "1.2.0"),
        ("python", "3.11.9"),
        ("wrapper", "0.3.1"),
    ]
    assert found.findings == ()


def test_inventory_is_the_same_in_another_place(site: Site, tmp_path: Path) -> None:
    """On another host of the same image: other paths, times and inodes, an installer's own files, no byte code."""
    before = checked(site)
    other = Site(root=tmp_path / "elsewhere" / "else")
    shutil.copytree(site.root, other.root, copy_function=shutil.copyfile)
    [metadata] = other.packages.glob("parcel-*")
    (metadata / "INSTALLER").write_text("uv\n")
    (metadata / "REQUESTED").write_text("")
    (metadata / "direct_url.json").write_text("{}")
    for cache in other.root.rglob("__pycache__"):
        shutil.rmtree(cache)
    assert checked(other).distributions == before.distributions


def test_inventory_of_an_upgraded_distribution_names_it(site: Site) -> None:
    """As `pip install -U` leaves it: another version, other files, a RECORD that fits them."""
    before = checked(site)
    site.remove("wrapper")
    site.install("wrapper", "9.0.0", {"wrapper/__init__.py": "SIZE = 2\n"})
    after = checked(site)
    assert (changed(before, after), after.findings) == (["wrapper"], ())


FILES = (
    "site-packages/parcel/__init__.py",
    "site-packages/parcel/inner/label.py",
    "site-packages/parcel/data.json",
    "site-packages/parcel-1.2.0.dist-info/METADATA",
    "site-packages/wrapper/__init__.py",
    "stdlib/posture.py",
    "python",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(FILES), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_inventory_finds_any_changed_byte_of_any_file(site: Site, path: str, at: int, flip: int) -> None:
    """Its size and its time kept: the distribution is named, by its digest and by its RECORD where it has one."""
    before = checked(site)
    file = site.root / path
    content, status = bytearray(file.read_bytes()), file.stat()
    content[at % len(content)] ^= flip
    was = file.read_bytes()
    try:
        file.write_bytes(content)
        after = checked(site)
    finally:
        file.write_bytes(was)
    name = next((one for one in ("parcel", "wrapper") if f"/{one}" in path), "python")
    assert status.st_size == len(content)
    assert name in changed(before, after)
    if name != "python":
        relative = path.partition("/")[2]
        assert any(f"{relative} is not as RECORD has it" in one for one in after.findings)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([one for one in FILES if one.startswith("site-packages/parcel")]))
def test_inventory_finds_a_missing_file(site: Site, path: str) -> None:
    """A file that RECORD names and that is gone."""
    file = site.root / path
    was = file.read_bytes()
    try:
        file.unlink()
        found = checked(site)
    finally:
        file.write_bytes(was)
    assert any("is missing" in one for one in found.findings)


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("evil.py", "x = 1\n", "evil.py"),
        ("sitecustomize.py", "x = 1\n", "sitecustomize.py"),
        ("usercustomize.py", "x = 1\n", "usercustomize.py"),
        ("evil.pth", "import os\n", "evil.pth"),
        (f"evil{EXTENSION}", "x", f"evil{EXTENSION}"),
        ("evil/__init__.py", "", "evil"),
        ("space/deep/evil.py", "", "space"),
        ("parcel/evil.py", "", "parcel/evil.py"),
        ("parcel/inner/label.so", "x", "parcel/inner/label.so"),
    ],
)
def test_inventory_names_what_no_distribution_has(site: Site, path: str, text: str, name: str) -> None:
    """A module, a package, an extension that comes before a module, what Python runs at its start."""
    before = checked(site)
    (site.packages / path).parent.mkdir(parents=True, exist_ok=True)
    (site.packages / path).write_text(text)
    after = checked(site)
    assert changed(before, after) == [name]
    [new] = {*after.distributions} - {*before.distributions}
    assert new.version == "no distribution"


def test_inventory_reads_what_a_pth_file_adds(site: Site, tmp_path: Path) -> None:
    """Distributions and modules of a directory that it names; the directory's own place is not in the digest."""
    added = Site(root=tmp_path / "added")
    added.packages.mkdir(parents=True)
    added.install("guest", "2.0", {"guest/__init__.py": "x = 1\n"})
    (added.packages / "lone.py").write_text("x = 1\n")
    (site.packages / "added.pth").write_text(f"{added.packages}\n")
    found = checked(site)
    assert {one.name for one in found.distributions} >= {"guest", "lone.py", "added.pth"}
    moved = tmp_path / "moved"
    shutil.copytree(added.packages, moved)
    (site.packages / "added.pth").write_text(f"{moved}\n")
    assert checked(site).distributions == found.distributions
    (moved / "guest" / "__init__.py").write_text("x = 2\n")
    assert changed(found, checked(site)) == ["guest"]


def test_inventory_of_our_editable_install_is_that_of_our_wheel(site: Site) -> None:
    """Our own files have the digest of the code; a .pth file that does more than add our directory is another thing."""
    places = site.places()
    ours = site.packages / "_editable_impl_medagent.pth"
    ours.write_text(f"{Path(places.code[0]).parent}\n")
    site.install("medagent", "0.1.0", {})
    record = site.packages / "medagent-0.1.0.dist-info" / "RECORD"

    def with_pth() -> Distribution:
        record.write_text(f"{ours.name},{recorded(ours)},9\n")
        return next(one for one in checked(site).distributions if one.name == "medagent")

    editable = with_pth()
    ours.write_text(f"{Path(places.code[0]).parent}\nimport os\n")
    assert with_pth() != editable
    record.write_text("")
    ours.unlink()
    assert next(one for one in checked(site).distributions if one.name == "medagent") == editable


def test_inventory_of_our_package_leaves_no_room_for_other_modules(site: Site) -> None:
    """A module that the RECORD of medagent names beside our package is in its digest."""
    site.install("medagent", "0.1.0", {})
    before = checked(site)
    site.install("medagent", "0.1.0", {"evil.py": "x = 1\n"})
    assert changed(before, checked(site)) == ["medagent"]


def test_inventory_of_a_script_leaves_its_first_line_out(site: Site) -> None:
    """It names the place of the interpreter; the rest of a script counts."""
    site.install("tool", "1.0", {})
    record = site.packages / "tool-1.0.dist-info" / "RECORD"
    script = site.root / "bin" / "tool"
    script.parent.mkdir()

    def with_script(text: str) -> Inventory:
        script.write_text(text)
        record.write_text(f"../bin/tool,{recorded(script)},9\n")
        return checked(site)

    before = with_script("#!/usr/bin/python\nrun()\n")
    assert with_script("#!/other/bin/python\nrun()\n").distributions == before.distributions
    long = "#!/bin/sh\n'''exec' /a/long/place/python \"$0\" \"$@\"\n' '''\nrun()\n"
    assert with_script(long).distributions == before.distributions
    assert changed(before, with_script("#!/usr/bin/python\nsteal()\n")) == ["tool"]


@pytest.mark.parametrize("path", ["site-packages/parcel/__init__.py", "stdlib/posture.py", "ours/medagent/__init__.py"])
@pytest.mark.parametrize("level", ["", ".opt-1", ".opt-2"])
def test_byte_code_of_another_source_is_found(site: Site, path: str, level: str) -> None:
    """With the time and size of its source, of every level of optimisation, in libraries, Python and our package."""
    source = site.root / path
    cache = source.parent / "__pycache__" / f"{source.stem}.{TAG}{level}.pyc"
    compiled(source, as_source="STOLEN = True\n", into=cache)
    found = checked(site)
    assert [one.endswith(f"{cache.name}: {FOREIGN}") for one in found.findings] == [True]


def test_byte_code_under_a_prefix_is_found(site: Site, tmp_path: Path) -> None:
    """Where `sys.pycache_prefix` has Python look for it."""
    source = site.packages / "parcel" / "__init__.py"
    cache = tmp_path / "prefix" / str(source.parent).strip("/") / f"__init__.{TAG}.pyc"
    cache.parent.mkdir(parents=True)
    compiled(source, as_source="STOLEN = True\n", into=cache)
    assert checked(site).findings == ()
    prefix = str(tmp_path / "prefix")
    found = inventory(site.places(cache_prefix=prefix), CheckedFiles(cache_prefix=prefix))
    assert len(found.findings) == 1


@pytest.mark.parametrize("place", ["site-packages/lone.pyc", "ours/medagent/lone.pyc"])
def test_byte_code_without_a_source_is_found(site: Site, place: str) -> None:
    """Python imports it as a module."""
    source = site.root / "lone.py"
    source.write_text("x = 1\n")
    compiled(source, into=site.root / place)
    assert [one.split(": ")[1] for one in checked(site).findings] == [
        "byte code without a source" + (", of no distribution" if "site" in place else "")
    ]


def test_known_byte_code_is_not_compiled_again(site: Site) -> None:
    """A pair of source and byte code that was found equal before; a changed one of them is another pair."""
    first = CheckedFiles(cache_prefix=None)
    inventory(site.places(), first)
    again = CheckedFiles(cache_prefix=None, known=frozenset(first.pairs))
    assert inventory(site.places(), again).findings == ()
    assert (first.compiled, again.compiled, again.pairs) == (4, 0, first.pairs)
    compiled(site.packages / "wrapper" / "__init__.py", as_source="x = 3\n")
    forged = CheckedFiles(cache_prefix=None, known=frozenset(first.pairs))
    assert len(inventory(site.places(), forged).findings) == 1
