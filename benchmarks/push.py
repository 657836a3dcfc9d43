"""Push one export with the product as a whole process, without Airflow, and print the report.

python -m benchmarks.push EXPORT --host http://127.0.0.1:40123
"""

from __future__ import annotations

import argparse
import json
import tempfile

from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace


def main() -> None:
    """Push from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export")
    parser.add_argument("--host", required=True)
    parser.add_argument("--api-key", default="benchmark-key")
    parser.add_argument("--requests-per-second", type=float, help="default: the product's")
    parser.add_argument("--max-in-flight", type=int, help="default: the product's")
    parser.add_argument("--shard", help="k/n: only this part of the users")
    parser.add_argument("--omit", action="append", default=[], help="a column that is not sent")
    parser.add_argument("--memory", metavar="FOLDER", help="send only what changed, with a memory kept there")
    options = parser.parse_args()
    shard = Shard.read("shard", options.shard)
    extras = {
        "requests_per_second": options.requests_per_second,
        "max_in_flight": options.max_in_flight,
    }
    with tempfile.TemporaryDirectory() as reports:
        push = ExportPush(
            export=options.export,
            mapping=ExportMapping(omit=tuple(options.omit)) if options.omit else None,
            job=Job(
                workspace=Workspace.from_settings(options.host, options.api_key, extras).shared_by(shard.of),
                shard=shard,
                braze_conn_id="benchmark",
                identity=PushIdentity(run_id="benchmark"),
                reports_path=reports,
                # As with Airflow's task state store, which a thread writes.
                save=json.dumps,
                memory=Wish(only_changed=options.memory is not None, path=options.memory),
            ),
        )
        print(json.dumps(push.execute()))


if __name__ == "__main__":
    main()
