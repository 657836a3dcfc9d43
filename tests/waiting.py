"""Wait for what surely happens, however busy the machine is: no test depends on how soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again; what has not happened by then never will."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def once(happened: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Do something on a thread of its own as soon as something has happened, while the test goes on."""

    def wait() -> None:
        until(lambda: bool(happened()))
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
