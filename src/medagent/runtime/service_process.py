"""Start of the export service as a process of its own, which outlives the job."""

from __future__ import annotations

import subprocess
import sys

from medagent.runtime.host import spool_path
from medagent.runtime.service_lock import ServiceLocks
from medagent.settings import Settings
from medagent.telemetry.spool.header import Identity

_START = """
import os
if os.fork() == 0:
    from medagent.runtime.export_service import main
    main()
"""
"""The starter ends before anything is loaded, so that no job waits for it or has to reap the service."""
_START_S = 20.0


def ensure_service(settings: Settings, identity: Identity) -> bool:
    """Start the host's export service unless one of these digests is there, or is left to somebody else.

    Returns:
        Whether one was started.

    Raises:
        OSError: It cannot be started.
        subprocess.SubprocessError: Its starter failed, or took longer than 20 s.
    """
    if settings.export_service != "auto" or ServiceLocks(spool_path(settings)).has(identity):
        return False
    is_output_needed = "jsonlog" in settings.destinations and settings.jsonlog == "stdout"
    subprocess.run(  # noqa: S603  # this interpreter, and our own words
        [sys.executable, "-P", "-c", _START],
        env=settings.service_environment(),
        stdin=subprocess.DEVNULL,
        stdout=None if is_output_needed else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        timeout=_START_S,
        check=True,
    )
    return True
