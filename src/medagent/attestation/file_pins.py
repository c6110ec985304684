"""Files as they were when they were checked: 16 bytes for status or content of each; of the standard library alone."""

from __future__ import annotations

import hashlib
import os
import struct

PIN_BYTES = 16


def status_pin(path: str, status: os.stat_result) -> bytes:
    """Return a digest of a file's path, size, inode and times of change."""
    text = f"{path}\0{status.st_size}\0{status.st_ino}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=PIN_BYTES).digest()


def content_pin(path: str, sha256: bytes) -> bytes:
    """Return a digest of a file's path and content (its SHA-256)."""
    text = path.encode("utf-8", "surrogateescape") + b"\0" + sha256
    return hashlib.blake2b(text, digest_size=PIN_BYTES).digest()


def pair(source_sha256: bytes, byte_code_sha256: bytes, level: int) -> bytes:
    """Return a digest of a source and of byte code that was found to be its own, at a level of optimisation."""
    return hashlib.sha256(source_sha256 + byte_code_sha256 + bytes((level,))).digest()


def unpacked(content: bytes, size: int = PIN_BYTES) -> frozenset[bytes]:
    """Return the digests that stand one behind another."""
    return frozenset(struct.unpack(f"{size}s" * (len(content) // size), content))


def packed(pins: set[bytes]) -> bytes:
    """Return digests one behind another, in their order."""
    return b"".join(sorted(pins))


def real(path: str, directories: dict[str, str]) -> str:
    """Return a path whose directory's links are resolved; `directories` keeps those that were."""
    directory, _, name = path.rpartition("/")
    if directory not in directories:
        directories[directory] = os.path.realpath(directory or "/")
    return f"{directories[directory]}/{name}"
