"""The end of a process, also by SIGTERM: what is open is closed first; no handler of the host program is replaced."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


def close_at_end(close: Callable[[], object]) -> None:
    """Call `close` once this process ends; a child that it forks calls nothing.

    On SIGTERM it is called only where the program left that signal to its default, which then follows: a program with a
    handler of its own ends in its own way, and `close` comes with its exit. A second SIGTERM ends the process at once.
    On SIGTERM it runs on its own thread, so that the main thread can release a lock that `close` needs.
    """
    process, closing = os.getpid(), threading.Lock()

    def end() -> None:
        if os.getpid() == process:
            with closing:  # a signal during the exit waits until the close is done
                close()

    def end_by(number: int) -> None:
        end()
        os.kill(os.getpid(), number)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        with suppress(RuntimeError):  # no thread can start while the interpreter exits; `end` runs already
            threading.Thread(target=end_by, args=(number,), name="medagent-end").start()

    atexit.register(end)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, on_signal)
