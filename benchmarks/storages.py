"""What reading an export from a storage's real server costs: dry runs of it, in turns with the local disk.

    make storages && python -m benchmarks.storages --records 1000000 --rounds 2

A dry run reads and maps everything and sends nothing, in a process of its own. Servers run on this machine, so that
what they take is in the time as well. Storages whose client or server is missing are named and left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_braze.users_track.transport.workspace import Workspace
from benchmarks import generate
from tests.jobs import export_push
from tests.storage.real.conftest import DOORS
from tests.storage.real.doors import Door, MissingError
from tests.storage.real.pushing import CHANNEL, items


def read(base: str) -> None:
    """Plan the one export below a base path, in this process; print what it took."""
    (item,) = items(base)
    # From here on the kernel keeps the most anew.
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    before = _most_kb()
    began, cpu = time.perf_counter(), time.process_time()
    report = export_push(
        workspace=Workspace(endpoint="https://rest.braze.test", api_key="none"),
        braze_conn_id="braze_default",
        export=item,
        dry_run=True,
    ).execute()
    used = _most_kb() - before
    took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "mb": used / 1024}
    print(json.dumps({"records": report["records"], **took}))


def _most_kb() -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def turn(base: str) -> dict[str, float]:
    """Read once, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.storages", "--read", base]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def opened(home: Path, content: bytes) -> dict[str, tuple[Door, str]]:
    """Start each server that can be, and put the export there; base paths by name."""
    found: dict[str, tuple[Door, str]] = {}
    for kind in DOORS:
        (folder := home / kind.name).mkdir(mode=0o755)
        try:
            door = kind(folder)
            door.open()
        except MissingError as missing:
            print(f"{kind.name} is left out: {missing}", file=sys.stderr)
            continue
        base = f"{door.root.rstrip('/')}/speed"
        found[kind.name] = (door, base)
        door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", content)
    return found


def main() -> None:
    """Measure, and print the least of each storage beside the local disk's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    with tempfile.TemporaryDirectory(prefix="storages-") as name:
        (home := Path(name)).chmod(0o755)
        content = generate.export(options.records).read_bytes()
        local = home / "local"
        (folder := local / CHANNEL / "Offer/1").mkdir(parents=True)
        (folder / "RPI_Export_1.txt").write_bytes(content)
        doors = opened(home, content)
        try:
            bases = {"local": str(local), **{name: base for name, (_, base) in doors.items()}}
            least: dict[str, dict[str, float]] = {}
            for at in range(options.rounds):
                for name in list(bases)[:: 1 if at % 2 == 0 else -1]:
                    new = turn(bases[name])
                    print(name, new, file=sys.stderr)
                    least[name] = {key: min(new[key], least.get(name, new)[key]) for key in new}
        finally:
            for door, _ in doors.values():
                door.close()
    print("| storage | wall seconds | times local | CPU seconds | times local | MB above the start |")
    print("|---|---|---|---|---|---|")
    for name, figures in least.items():
        wall, cpu = (figures[key] / least["local"][key] for key in ("seconds", "cpu"))
        cells = (f"{figures['seconds']:.1f}", f"{wall:.2f}", f"{figures['cpu']:.1f}", f"{cpu:.2f}")
        print("|", " | ".join((name, *cells, f"{figures['mb']:.0f}")), "|")


if __name__ == "__main__":
    main()
