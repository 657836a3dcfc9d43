"""Random faults of every kind that the sandbox knows, switched on and off while a push runs."""

from __future__ import annotations

import random
import time
import urllib.error
from typing import Any

from tests.sandbox_process import SandboxProcess

_MANY = 10**6


def some(rng: random.Random) -> list[dict[str, Any]]:
    """Make up what goes wrong next: one thing, or two at once."""
    return [_one(rng) for _ in range(rng.choice([1, 1, 2]))]


def _one(rng: random.Random) -> dict[str, Any]:
    share = rng.choice([0.05, 0.2, 0.5, 1.0])
    kinds = ["status", "limit", "broken", "slow", "odd", "refuse", "stop"]
    (kind,) = rng.choices(kinds, weights=[20, 10, 10, 10, 10, 5, 1])
    if kind == "status":
        status = rng.choice([500, 502, 503, 504, 408])
        return {
            "status": status,
            "body": rng.choice(["json", "html", "empty"]),
            # Braze's pages say of the others that they got no further than its door.
            "processed": status not in (502, 503) and rng.random() < 0.3,
            "count": _MANY,
            "share": share,
        }
    if kind == "limit":
        family = rng.choice(["epoch", "seconds", "none"])
        return {"status": 429, "rate_headers": family, "retry_after": 1, "count": rng.randint(1, 40)}
    if kind == "broken":
        return {
            "kind": rng.choice(["drop", "reset", "cut"]),
            "processed": rng.random() < 0.5,
            "count": _MANY,
            "share": share,
        }
    if kind == "slow":
        slow = rng.choice(["slow", "late", "hang"])
        seconds = {"slow": rng.choice([0.001, 0.05]), "late": rng.uniform(0.05, 4), "hang": 60}[slow]
        return {
            "kind": slow,
            "seconds": seconds,
            "processed": rng.random() < 0.5,
            "count": 30,
            "share": share,
        }
    if kind == "odd":
        odd = ["invalid_json", "wrong_counts", "errors_without_index", "errors_unknown_row", "queued"]
        return {"kind": rng.choice(odd), "count": rng.randint(1, 5), "share": 0.2}
    if kind == "refuse":
        return {"kind": "refuse", "seconds": rng.uniform(0.05, 2), "processed": rng.random() < 0.5}
    # What ends a push for good until somebody mends it.
    return rng.choice([{"status": 401}, {"status": 403}, {"kind": "redirect"}]) | {
        "after": rng.randint(0, 300)
    }


class Trouble:
    """Makes trouble in one sandbox whenever it is time to.

    :param calm: seconds that one kind of trouble lasts, at most.
    """

    def __init__(self, sandbox: SandboxProcess, rng: random.Random, calm: float) -> None:
        self._sandbox, self._rng, self._calm = sandbox, rng, calm
        self._next = time.monotonic()
        self._on = False

    def turn(self) -> None:
        """Switch something on or off if it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._on = not self._on
        try:
            if self._on:
                self._sandbox.faults(*some(self._rng))
            else:
                self._sandbox.clear_faults()
        except (urllib.error.URLError, ConnectionError):
            # It refuses connections just now.
            self._on = not self._on
        # Twice as long without as with: it is to be survived, not to be waited for.
        self._next = now + self._rng.uniform(0.1, self._calm) * (1 if self._on else 2)

    def end(self) -> None:
        """Go back to normal, and wait until what is still being answered is."""
        until = time.monotonic() + 60
        while True:
            try:
                self._sandbox.clear_faults()
                if self._sandbox.stats()["in_flight"] == 0:
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            if time.monotonic() > until:
                raise TimeoutError("the sandbox does not come to rest")
            time.sleep(0.05)
