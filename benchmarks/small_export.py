"""Push one small export with the operator, in a process that did nothing else before, and print how long it took.

python -m benchmarks.small_export EXPORT
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator


def main() -> None:
    """Push twice: the first time everything is new, the second time it is known."""
    logging.disable(logging.INFO)
    seconds = []
    for turn in ("first", "second"):
        with tempfile.TemporaryDirectory() as reports:
            operator = BrazeUserTrackOperator(task_id=turn, export=sys.argv[1], reports_path=reports)
            started = time.perf_counter()
            report = operator.execute({})
            seconds.append(time.perf_counter() - started)
        assert report["status"] == "complete", report
    print(json.dumps({"first": seconds[0], "second": seconds[1], "records": report["records"]}))


if __name__ == "__main__":
    main()
