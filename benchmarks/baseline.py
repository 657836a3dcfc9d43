"""What all baselines have in common: the command line, and the count of what they sent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass
class Tally:
    """What a baseline sent, in the words of the product's report."""

    records: int = 0
    objects: int = 0
    requests: int = 0
    rate_limited: int = 0

    def add(self, objects: int, status: int) -> None:
        """Note one answer; a baseline has no retries."""
        self.records += objects
        self.requests += 1
        if status == 201:
            self.objects += objects
        elif status == 429:
            self.rate_limited += 1
        else:
            raise RuntimeError(f"the sink answered {status}")


def main(send: Callable[[str, str, str, Tally], None]) -> None:
    """Run a baseline from the command line, and print its tally."""
    parser = argparse.ArgumentParser()
    parser.add_argument("export")
    parser.add_argument("--host", required=True)
    parser.add_argument("--api-key", default="benchmark-key")
    options = parser.parse_args()
    tally = Tally()
    send(options.export, options.host, options.api_key, tally)
    print(json.dumps(asdict(tally)))
