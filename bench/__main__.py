"""Every row of every benchmark beside its peer, in one table; exit code 1 where a ratio misses its bound."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from bench.measure import document, table

GROUPS = ("ttft", "cost", "lag", "spans", "exporters", "start", "commands")


def main() -> int:
    """Measure the groups that are named, by default all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=f"some of {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON, an object for each row")
    given = parser.parse_args()
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"{', '.join(sorted(unknown))}: no group, expected some of {', '.join(GROUPS)}")
    found = []
    for group in given.groups or GROUPS:
        begun = time.monotonic()
        found += importlib.import_module(f"bench.{group}").rows()
        print(f"{group}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(document(found) if given.json else table(found))
    return int(not all(one.ok for one in found))


if __name__ == "__main__":
    sys.exit(main())
