"""The process that checks what is installed: a request on its input, the answer on its output, progress on its errors.

It is started without site-packages and with an empty place for byte code: no file that it checks is loaded into it,
and no byte code of the checking modules that stands beside them.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

from medagent.attestation.checked_files import CheckedFiles
from medagent.attestation.file_pins import packed, unpacked
from medagent.attestation.installed import Places, inventory

_NICE = 10
_PAIR_BYTES = 32
_EVERY = 250


def main() -> None:
    """Answer one request; end early where the process that asked is gone."""
    os.nice(_NICE)
    parent = os.getppid()
    request: dict[str, Any] = json.load(sys.stdin)
    given: dict[str, Any] = request["places"]
    given |= {name: tuple(one) for name, one in given.items() if isinstance(one, list)}
    places = Places(**given)

    def on_file(count: int) -> None:
        if count % _EVERY == 0:
            if os.getppid() != parent:
                sys.exit(1)
            sys.stderr.write(f"{count}\n")
            sys.stderr.flush()

    known = unpacked(base64.b64decode(request["pairs"]), _PAIR_BYTES)
    files = CheckedFiles(cache_prefix=places.cache_prefix, known=known, on_file=on_file)
    found = inventory(places, files)
    answer = {
        "distributions": [
            {"name": one.name, "version": one.version, "sha256": one.sha256} for one in found.distributions
        ],
        "findings": found.findings,
        "metadata": found.metadata,
        "files": base64.b64encode(packed(files.pins)).decode(),
        "contents": base64.b64encode(packed(files.contents)).decode(),
        "pairs": base64.b64encode(packed(files.pairs)).decode(),
        "count": files.count,
        "compiled": files.compiled,
    }
    json.dump(answer, sys.stdout)
