"""Keys: made once, read by their owner alone, and shown to nobody."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import KeyFileError
from medagent.proof import KeyRing, PseudonymKey, keys
from medagent.proof.keys import PSEUDONYM_SHAPE

SECRET = "5a" * 32
KEY = PseudonymKey(secret=bytes.fromhex(SECRET))


@given(category=st.text(max_size=8), value=st.text(max_size=20))
def test_a_pseudonym_is_stable_and_says_nothing(category: str, value: str) -> None:
    """The same value gets the same one, of one shape, with the key's id in it."""
    made = KEY.pseudonym(category, value)
    assert made == KEY.pseudonym(category, value)
    assert PSEUDONYM_SHAPE.fullmatch(made)
    assert made.split("_")[1] == KEY.key_id


def test_key_category_and_value_each_make_another() -> None:
    """Nobody without the key computes it; a number is not the same as a room and as a caller."""
    other = PseudonymKey(secret=b"o" * 32)
    made = {
        KEY.pseudonym("phone", "5550142"),
        KEY.pseudonym("room", "5550142"),
        KEY.pseudonym("phone", "5550143"),
        other.pseudonym("phone", "5550142"),
    }
    assert len(made) == 4
    assert KEY.key_id != other.key_id


def test_a_key_is_shown_to_nobody() -> None:
    """Neither its repr nor its id tells it."""
    assert SECRET not in repr(KEY)
    assert "ZZZZ" not in repr(PseudonymKey(secret=b"Z" * 32))
    assert KEY.key_id not in SECRET


def test_dev_makes_its_key_once(tmp_path: Path) -> None:
    """The first use makes it, for its user alone; every later one finds it."""
    ring = KeyRing(tmp_path / "keys", env="dev")
    key = ring.pseudonym_key()
    assert KeyRing(tmp_path / "keys", env="dev").pseudonym_key() == key
    assert KeyRing(tmp_path / "keys", env="prod").pseudonym_key() == key
    [path] = (tmp_path / "keys").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def _make(directory: Path, made: Any) -> None:
    made.put(KeyRing(directory, env="dev").pseudonym_key().key_id)


@pytest.mark.timing
def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    """Who is second takes the first one's, never half of it."""
    context = multiprocessing.get_context("fork")
    made = context.Queue()
    processes = [context.Process(target=_make, args=(tmp_path / "keys", made)) for _ in range(6)]
    for process in processes:
        process.start()
    ids = {made.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert len(ids) == 1
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    """Who looked before the other had made it does not take its place."""
    key = KeyRing(tmp_path, env="dev").pseudonym_key()
    keys._create(tmp_path / "pseudonym.key")
    assert KeyRing(tmp_path, env="dev").pseudonym_key() == key
    assert len(list(tmp_path.iterdir())) == 1


def test_prod_makes_no_key(tmp_path: Path) -> None:
    """A missing one is an error that says where it belongs."""
    with pytest.raises(KeyFileError) as caught:
        KeyRing(tmp_path / "keys", env="prod").pseudonym_key()
    assert "MEDAGENT_PSEUDONYM_KEY" in caught.value.diagnostics()
    assert not (tmp_path / "keys").exists()


def test_a_given_key_comes_before_the_file(tmp_path: Path) -> None:
    """What the settings hold is used, and nothing is written."""
    assert KeyRing(tmp_path / "keys", env="prod", pseudonym_hex=f" {SECRET}\n").pseudonym_key() == KEY
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("wrong", ["", "5a" * 31, "nonsense" * 8, "5a" * 31 + "5"])
def test_a_malformed_key_is_refused(tmp_path: Path, wrong: str) -> None:
    """Too short or no hexadecimal: an error that does not show it, from the settings or from a file."""
    (tmp_path / "pseudonym.key").write_text(wrong)
    (tmp_path / "pseudonym.key").chmod(0o600)
    for ring in (KeyRing(tmp_path, env="dev", pseudonym_hex=wrong), KeyRing(tmp_path, env="dev")):
        with pytest.raises(KeyFileError) as caught:
            ring.pseudonym_key()
        assert not wrong or wrong not in caught.value.diagnostics()


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    """Open to others, binary, a directory, a directory that is a file."""
    home = tmp_path / "keys"
    KeyRing(home, env="dev").pseudonym_key()
    for mode in (0o640, 0o604):
        (home / "pseudonym.key").chmod(mode)
        with pytest.raises(KeyFileError, match="other users"):
            KeyRing(home, env="dev").pseudonym_key()
    (home / "pseudonym.key").write_bytes(b"\xff" * 64)
    (home / "pseudonym.key").chmod(0o600)
    with pytest.raises(KeyFileError):
        KeyRing(home, env="dev").pseudonym_key()
    (tmp_path / "directory" / "pseudonym.key").mkdir(parents=True, mode=0o700)
    (tmp_path / "file").touch()
    for place in ("directory", "file"):
        with pytest.raises(KeyFileError):
            KeyRing(tmp_path / place, env="dev").pseudonym_key()


def test_old_pseudonym_keys_are_given_ones_and_kept_files(tmp_path: Path) -> None:
    """Each once, the one in force left out; a kept file is its user's alone and has its key's id in its name."""
    new, one, two = PseudonymKey.new(), PseudonymKey.new(), PseudonymKey.new()
    given = f"{one.secret.hex()}, {new.secret.hex()}\n,"
    ring = KeyRing(tmp_path, env="prod", pseudonym_hex=new.secret.hex(), old_hex=given)
    assert ring.old_pseudonym_keys() == (one,)
    for key in (two, one, two):
        file = ring.keep_old(key)
        assert (file.name, file.stat().st_mode & 0o777) == (f"pseudonym-{key.key_id}.key", 0o600)
    assert ring.old_pseudonym_keys() == (one, two)
    assert (ring.is_given_old(one), ring.is_given_old(two)) == (True, False)
    (tmp_path / "pseudonym-copy.key").write_text("no key")
    assert len(ring.old_pseudonym_keys()) == 2
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="can be read by other users"):
        ring.old_pseudonym_keys()


@pytest.mark.parametrize("text", ["", "00" * 32, "ab", "no key"])
def test_a_kept_key_that_is_none_is_an_error(text: str, tmp_path: Path) -> None:
    """A kept key file with another key's name is an error and is not skipped."""
    file = tmp_path / "pseudonym-1a2b3c4d.key"
    file.write_text(text)
    file.chmod(0o600)
    ring = KeyRing(tmp_path, env="dev")
    with pytest.raises(KeyFileError):
        ring.old_pseudonym_keys()
    file.write_text(SECRET)
    with pytest.raises(KeyFileError, match="another key than its name says"):
        ring.old_pseudonym_keys()


def test_a_key_from_a_setting_or_a_link_has_no_file_to_replace(tmp_path: Path) -> None:
    """A rotation does not replace a key file that is a symbolic link."""
    ring = KeyRing(tmp_path / "keys", env="dev")
    old = ring.pseudonym_key()
    assert ring.pseudonym_file == tmp_path / "keys" / "pseudonym.key"
    new = PseudonymKey.new()
    ring.replace_pseudonym_key(new)
    assert KeyRing(tmp_path / "keys", env="prod").pseudonym_key() == new != old
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["pseudonym.key"]
    assert KeyRing(tmp_path / "keys", env="dev", pseudonym_hex=SECRET).pseudonym_file is None
    (tmp_path / "keys" / "pseudonym.key").rename(tmp_path / "mounted")
    (tmp_path / "keys" / "pseudonym.key").symlink_to(tmp_path / "mounted")
    assert ring.pseudonym_file is None


@given(secret=st.binary(min_size=1, max_size=8))
def test_a_repeated_pattern_is_no_random_key(secret: bytes) -> None:
    """A key that repeats up to eight bytes is not random; a new key is."""
    assert not PseudonymKey(secret=(secret * 32)[:32]).is_random
    assert PseudonymKey.new().is_random
