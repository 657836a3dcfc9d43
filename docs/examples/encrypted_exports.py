"""A DAG that decrypts PGP-encrypted exports into a private folder, and pushes what lies there.

RPI goes on encrypting: what lies on the share, and travels to it, stays unreadable for others. The private key is in
the keyring of the user that runs Airflow's workers; the decrypted files are in a folder that only this user may read,
and are deleted after a week.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from airflow.sdk import dag, task

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

ENCRYPTED = "/mnt/rpi"
DECRYPTED = "/var/lib/airflow/exports"
WEEK = 7 * 24 * 3600


def decrypt(
    source: Path, target: Path, settled_seconds: float = 60, keep_seconds: float = WEEK
) -> list[Path]:
    """Decrypt what is new below a folder, in the same layout and as old as it was; delete what is older than a week.

    What was replaced since is new, too.

    :raises subprocess.CalledProcessError: a file cannot be decrypted; those before it are.
    """
    now, made = time.time(), []
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in target.glob("*/*/*/*RPI_Export_*"):
        if now - old.stat().st_mtime > keep_seconds:
            old.unlink()
    encrypted = sorted(source.glob("*/*/*/RPI_Export_*.pgp"), key=lambda path: path.stat().st_mtime)
    for path in encrypted:
        modified = path.stat().st_mtime
        plain = target / path.relative_to(source).with_suffix("")
        is_done = plain.exists() and int(plain.stat().st_mtime) == int(modified)
        if is_done or not settled_seconds <= now - modified <= keep_seconds:
            continue
        plain.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Under another name until it is whole: the sensor takes what is called like an export.
        part = plain.with_name(f".{plain.name}.part")
        command = ["gpg", "--batch", "--yes", "--quiet", "--output", str(part), "--decrypt", str(path)]
        try:
            subprocess.run(command, check=True, umask=0o077)
            os.utime(part, (modified, modified))  # keeps the order of the exports, and their fingerprints
            part.replace(plain)
        finally:
            part.unlink(missing_ok=True)  # of a message that breaks off, GnuPG leaves what it has read of it
        made.append(plain)
    return made


@dag(schedule="*/15 * * * *", catchup=False, max_active_runs=1)
def encrypted_exports() -> None:
    """Decrypt, find, push."""

    @task
    def decrypt_new() -> int:
        return len(decrypt(Path(ENCRYPTED), Path(DECRYPTED)))

    exports = RedpointExportSensor(task_id="wait", base_path=DECRYPTED, timeout=600, soft_fail=True)
    push = BrazeUserTrackOperator(task_id="push", export=exports.output)
    decrypt_new() >> exports >> push


encrypted_exports()
