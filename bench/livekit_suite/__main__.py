"""Measure the traces of LiveKit's own tests and examples: `python -m bench.livekit_suite CHECKOUT [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

from bench.livekit_suite import examples, suite
from bench.livekit_suite.report import Report, table

_LEAST_EXAMPLES = 25


def main(arguments: list[str] | None = None) -> int:
    """Run both parts; returns 1 where a session is silent, a test changed or something of ours remained."""
    parser = argparse.ArgumentParser(prog="python -m bench.livekit_suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of LiveKit's agents repository")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything that was measured")
    parser.add_argument("--part", choices=("tests", "examples"), help="run one of the two parts")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATH", help="some test modules or examples of --part")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    try:
        versions = {"checkout": suite.checkout_version(checkout), "installed": version("livekit-agents")}
        print(f"LiveKit Agents: checkout {versions['checkout']}, installed {versions['installed']}", flush=True)
        report = Report(versions=versions)
        if options.part != "examples":
            report.plain = suite.run(checkout, trace=False, only=options.only)
            report.traced = suite.run(checkout, trace=True, only=options.only)
        if options.part != "tests":
            report.examples = examples.run(checkout, trace=True, only=options.only)
            report.least_examples = 0 if options.only else _LEAST_EXAMPLES
    except suite.SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json is not None:
        options.json.write_text(json.dumps(report.document(), indent=1))
    print(table(report))
    return 1 if report.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
