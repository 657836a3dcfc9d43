"""Measure everything, and write docs/benchmarks.md.

python -m benchmarks.run                     # all of it; see docs/benchmarks.md for how long that takes
python -m benchmarks.run --part limit        # one part again; the others keep what was measured before
python -m benchmarks.run --part older --against COMMIT --records 300000   # in turns with an older commit
python -m benchmarks.run --part memory --records 5000000   # with the memory of what Braze was told, and without
python -m benchmarks.run --render            # only write the tables again
python -m benchmarks.run --smoke FOLDER      # seconds: does it all still run? Results go to the folder
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import document, machine
from benchmarks.measure import ROOT
from benchmarks.parts import PARTS, SMOKE, Result, Scale

RESULTS, DOCUMENT = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"

_QUIET = 0.1
"""Cores that others may use while something is measured."""


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; can be repeated")
    parser.add_argument("--rounds", type=int, help="how often each variant runs (default 3)")
    parser.add_argument("--against", help="the older commit that pushes in turns with this one")
    parser.add_argument("--records", type=int, help="that the parts older and memory push")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the tables again")
    parser.add_argument(
        "--smoke", metavar="FOLDER", type=Path, help="tiny sizes; write results to this folder"
    )
    options = parser.parse_args()
    scale, results, target = Scale(), RESULTS, DOCUMENT
    if options.smoke:
        scale, results, target = SMOKE, options.smoke / RESULTS.name, options.smoke / DOCUMENT.name
        shutil.copy(DOCUMENT, target)
    given = {
        "rounds": options.rounds,
        "paired_rounds": options.rounds,
        "against": options.against,
        "paired": options.records,
        "remembered": options.records,
    }
    scale = replace(scale, **{name: value for name, value in given.items() if value})
    kept: dict[str, Any] = (
        json.loads(results.read_text()) if results.exists() else {"machine": {}, "parts": {}}
    )
    if not options.render:
        for name in options.part or PARTS:
            kept["parts"][name] = _measure(name, scale)
            if not options.part:
                kept["machine"] = machine.describe()
            # Written after each part, so that an interrupted evening is not lost.
            results.write_text(json.dumps(kept, indent=1) + "\n")
    document.write(target, kept["machine"], kept["parts"])
    print(f"Wrote {target}")


def _measure(name: str, scale: Scale) -> Result:
    started, moment, others = time.monotonic(), datetime.now(UTC), machine.Others()
    print(f"{name}: {(PARTS[name].__doc__ or '').strip()}", flush=True)
    result = PARTS[name](scale, lambda text: print(f"  {text}", flush=True))
    cores = others.cores()
    if cores > _QUIET:
        print(f"Others used {cores:.0%} of a core meanwhile: {name} is no evidence.", file=sys.stderr)
    return {
        "measured": f"{moment:%Y-%m-%d %H:%M} UTC",
        "minutes": round((time.monotonic() - started) / 60, 2),
        "others": round(cores, 3),
        "version": machine.commit(),
        "processor": machine.describe()["processor"],
        **result,
    }


if __name__ == "__main__":
    main()
