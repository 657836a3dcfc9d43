"""A push in a process of its own, which keeps its checkpoints in a file: export item, reports path, file, URL, key."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.resuming import checkpoint as checkpoints
from airflow_provider_braze.users_track.batching import merge_window
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push


def main() -> None:
    item, kept_in, url, key = json.loads(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
    # As often as there is something to keep, so that a push of a few seconds has many.
    checkpoints.EVERY, running.LOOK_EVERY = 0.0, 0.02
    merge_window.LOOK_AHEAD_RECORDS = 500

    def save(checkpoint: Any) -> None:
        beside = kept_in.with_suffix(".part")
        beside.write_text(json.dumps(checkpoint))
        os.replace(beside, kept_in)

    # Slow enough to be killed midway.
    workspace = Workspace.from_settings(url, key, {"requests_per_second": 20})
    export_push(
        workspace=workspace, braze_conn_id="braze_default", export=item, run="killed", save=save
    ).execute()


if __name__ == "__main__":
    main()
