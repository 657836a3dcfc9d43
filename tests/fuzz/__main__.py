"""``python -m tests.fuzz``: feed the export reader, the mapper and the reader of answers with hostile inputs.

Each target has a process of its own, one after the other, so that its peak memory is its own. Exits with 1 when an
exception came that is none of ours, when an answer was wrong, or when a target took too much memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from tests.fuzz.run import feed, peak_mb
from tests.fuzz.targets import TARGETS

MOST_MB = 400
"""Of a whole target's process, hypothesis included."""


def _feed_all(count: int, first_seed: int) -> int:
    print(f"{'target':<16} {'inputs':>10} {'seconds':>8} {'failures':>8} {'peak MB':>8}", flush=True)
    bad = 0
    for name, target in TARGETS.items():
        inputs = -(-count * target.share // 1000)
        command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--inputs", str(inputs)]
        done = subprocess.run(
            [*command, "--seed", str(first_seed)], stdout=subprocess.PIPE, text=True, check=False
        )
        try:
            fed = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            print(f"{name}: its process ended with {done.returncode} and no result", flush=True)
            bad += 1
            continue
        failed = fed["failure"] is not None
        print(
            f"{name:<16} {fed['inputs']:>10,} {fed['seconds']:>8.0f} {failed:>8} {fed['peak_mb']:>8}",
            flush=True,
        )
        if failed:
            print(fed["failure"], flush=True)
        if fed["peak_mb"] > MOST_MB:
            print(f"{name}: more than {MOST_MB} MB", flush=True)
        bad += failed or fed["peak_mb"] > MOST_MB
    return min(bad, 1)


def main() -> int:
    """Read the command line and feed."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--inputs", type=int, default=1_000_000, help="in all (1000000)")
    options.add_argument("--seed", type=int, default=1, help="another one feeds other inputs (1)")
    options.add_argument("--target", choices=[*TARGETS], help="only this one, in this very process")
    options.add_argument(
        "--first", type=int, default=0, help="number of the first input, to feed one again (0)"
    )
    given = options.parse_args()
    if given.target is None:
        return _feed_all(given.inputs, given.seed)
    fed = feed(given.target, given.inputs, given.seed, first=given.first)
    result = {
        "inputs": fed.inputs,
        "seconds": round(fed.seconds, 1),
        "failure": fed.failure,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
