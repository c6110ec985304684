"""One call in a process of its own, in which everything logs all that it can and every address is noted.

Its arguments: a file for the addresses, the scenario, the home, and `unguarded` to do without the log's door.
Destinations and all else come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from bench.line import ring

from medagent.agent import watching

_PLACES = dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), 1) | dict.fromkeys(
    ("socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"), 0
)
"""Which argument of an event is the address, or the program."""
_CONNECTED: set[tuple[str, str]] = set()


class Everything(logging.Formatter):
    """Writes all that a record holds, as formatters to JSON do."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and everything beside it."""
        return f"{super().format(record)} {vars(record)!r}"


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Note where this process connects, sends, looks up, and what it runs."""
    place = _PLACES.get(event)
    if place is not None:
        _CONNECTED.add((event, repr(arguments[place])))


async def call(scenario: str, home: Path) -> dict[str, Any]:
    """Play the call with a handler that was there before, one that comes after, and one on a logger of its own."""
    late = logging.FileHandler(home.parent / "late.log")
    late.setFormatter(Everything())

    def before(session: Any, _bridge: Any) -> None:
        logging.root.addHandler(late)
        lone = logging.getLogger("host")
        lone.propagate = False
        lone.addHandler(logging.FileHandler(home.parent / "lone.log"))
        session.on("conversation_item_added", lambda event: logging.getLogger("host").info("item %s", event.item))
        session.on("user_input_transcribed", lambda event: logging.getLogger("host").warning(event.transcript))
        session.on("tool_execution_updated", lambda event: logging.getLogger("host").debug(repr(event)))
        warnings.warn(f"the session has {session.llm}", stacklevel=2)

    outcome = await ring(scenario, home=home, pace=20.0, before=before)
    model = str(outcome.settings.azure_endpoint).removeprefix("http://")
    return {"ended": outcome.ended, "lacking": list(outcome.lacking), "model": model, "went": sorted(_CONNECTED)}


if __name__ == "__main__":
    sys.addaudithook(hear)
    logging.basicConfig(level=logging.DEBUG, force=True)
    logging.root.handlers[0].setFormatter(Everything("%(levelname)s %(name)s %(message)s"))
    logging.captureWarnings(True)
    if "unguarded" in sys.argv:
        vars(watching)["guard_logging"] = lambda **_: None
    told = asyncio.run(call(sys.argv[2], Path(sys.argv[3])), debug=True)
    Path(sys.argv[1]).write_text(json.dumps(told))
