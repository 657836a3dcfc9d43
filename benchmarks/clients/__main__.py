"""Post ready-made bodies with one client as a whole process, and print what it cost.

python -m benchmarks.clients pycurl EXPORT --host http://127.0.0.1:40123 --requests 10000 --in-flight 32
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from itertools import islice

from benchmarks.baseline_floor import bodies
from benchmarks.clients import NAMES, Job

SAMPLES = 200


def main() -> None:
    """Run one client from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("client", choices=NAMES)
    parser.add_argument("export", help="the bodies are made of its first records")
    parser.add_argument("--host", required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--certificate")
    options = parser.parse_args()
    client = importlib.import_module(f"benchmarks.clients.with_{options.client}")
    samples = [body for _, body in islice(bodies(options.export), SAMPLES)]
    job = Job(options.host, samples, options.requests, options.in_flight, options.certificate)
    started, used = time.perf_counter(), time.process_time()
    statuses = client.send(job)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    if statuses != {201: job.requests}:
        raise RuntimeError(f"the sink answered {dict(statuses)}")
    print(json.dumps({"requests": job.requests, "seconds": seconds, "client_cpu": cpu}), flush=True)
    # A thread of pyreqwest may still be ending its connections, and falls over an interpreter that is ending, too.
    os._exit(0)


if __name__ == "__main__":
    main()
