"""Wait for what surely happens, however busy the machine is: no test depends on how soon."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again; what has not happened by then never will."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
