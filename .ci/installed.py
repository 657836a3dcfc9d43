"""What ``make release`` runs in each fresh environment: does the installed provider work there, with its own DAGs?

It is run by that environment's Python, from a folder without the repository, and needs only what is installed.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Any

PROVIDER = "airflow-provider-braze-redpoint"
CHANNEL = Path("Braze Onboarding and Upsert", "Spring", "77")
DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

with DAG("released", schedule=None) as dag:
    exports = RedpointExportSensor(task_id="find", base_path={base!r}, settle_seconds=0, poke_interval=1, timeout=120)
    BrazeUserTrackOperator(task_id="push", export=exports.output)
"""
OPTIONAL = {
    *("pytest", "pluggy", "_pytest", "smbprotocol", "smbclient", "upath.implementations.ftp"),
    *("openlineage", "airflow.providers.openlineage", "airflow.providers.openlineage.extractors"),
}
"""What only tests, lineage, a storage with an extra of its own, or a newer universal_pathlib need."""


def main() -> None:
    """Check, and say in one line what was seen."""
    import airflow

    import airflow_provider_braze

    assert "site-packages" in str(airflow_provider_braze.__file__), airflow_provider_braze.__file__
    modules = import_everything()
    validate_provider_info()
    find_example_dags()
    with tempfile.TemporaryDirectory(prefix="released-") as folder:
        profiles = push_one_export(Path(folder))
    print(
        f"Airflow {airflow.__version__}, Python {platform.python_version()}: {modules} modules without a deprecation "
        f"warning, the metadata is valid, one export pushed, {profiles} profiles in the sandbox."
    )


@contextmanager
def no_deprecation() -> Iterator[None]:
    """Fail where our code, or what it calls in our name, is warned of."""
    package = str(Path(str(importlib.import_module("airflow_provider_braze").__file__)).parent)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    kinds = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    ours = [each for each in seen if issubclass(each.category, kinds) and each.filename.startswith(package)]
    assert not ours, [f"{each.filename}:{each.lineno}: {each.message}" for each in ours]


def import_everything() -> int:
    """Import every module and run every ready DAG's file; return how many there were."""
    package = importlib.import_module("airflow_provider_braze")
    count = 0
    with no_deprecation():
        for found in pkgutil.walk_packages(package.__path__, "airflow_provider_braze."):
            if found.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                if not {error.name, str(error.name).partition(".")[0]} & OPTIONAL:
                    raise
            count += 1
    return count


def validate_provider_info() -> None:
    """Hold what Airflow reads of us against its own schema, the one that it uses at run time."""
    import jsonschema

    (entry,) = (
        each
        for each in metadata.entry_points(group="apache_airflow_provider")
        if each.dist is not None and each.dist.name == PROVIDER
    )
    schema = json.loads((resources.files("airflow") / "provider_info.schema.json").read_text("utf-8"))
    jsonschema.validate(entry.load()(), schema)


def find_example_dags() -> None:
    """Look for our example DAGs as Airflow does with ``[core] load_examples``, from 3.3 on."""
    from airflow.dag_processing.bundles import manager

    if add := getattr(manager, "_add_provider_example_dags_to_bundle", None):
        bundles: list[Any] = []
        add(bundles)
        names = [each.name for each in bundles]
        assert f"{PROVIDER}-example-dags" in names, names


def push_one_export(folder: Path) -> int:
    """Run a DAG of sensor and operator with Airflow's own command, and count the profiles that then are there."""
    from airflow_provider_braze.sandbox.testing import SandboxProcess

    export = folder / "rpi" / CHANNEL / "RPI_Export_1.txt"
    export.parent.mkdir(parents=True)
    export.write_text("external_id,first_name\nP1,Ada\nP2,Grace\nP3,Edsger\n", encoding="utf-8")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "released.py").write_text(DAG_FILE.format(base=str(folder / "rpi")), encoding="utf-8")
    with SandboxProcess() as sandbox:
        connection = {"conn_type": "braze", "host": sandbox.url, "password": sandbox.key}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A busy machine reads hundreds of modules slowly.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
            "AIRFLOW_CONN_BRAZE_DEFAULT": json.dumps(connection),
            # Of Python itself: a warning that nobody shows would be none.
            "PYTHONWARNINGS": "always::DeprecationWarning",
        }
        _airflow(environment, "db", "migrate")
        said = _airflow(environment, "dags", "test", "released")
        profiles = sandbox.profiles()
    warned = [
        line
        for line in said.splitlines()
        if "airflow_provider_braze/" in line and "DeprecationWarning" in line
    ]
    assert not warned, warned
    assert {name: each["first_name"] for name, each in profiles.items()} == {
        "P1": "Ada",
        "P2": "Grace",
        "P3": "Edsger",
    }, said[-3000:]
    return len(profiles)


def _airflow(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=environment["HOME"],
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


if __name__ == "__main__":
    main()
