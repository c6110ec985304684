"""The delivery whose batches are refused while the switch is thrown: `python -m medagent.audit.refused_delivery`.

It reads settings as one JSON line, stores synthetic calls, and delivers until its standard input ends.
"""

from __future__ import annotations

import json
import sys

from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings

_CALLS = 3
"""Few spans: of many the shipper gives up before it comes to single ones, where all parts of a batch are refused."""


def main() -> int:
    """Fill the outbox and deliver."""
    told = json.loads(sys.stdin.readline())
    telemetry = Telemetry(load_settings(**told["settings"])).start()
    for _ in range(_CALLS):
        telemetry.hello()
    sys.stdin.read()
    telemetry.close(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
