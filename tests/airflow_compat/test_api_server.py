"""What is not public of Airflow's API server stands in one room, and no other knows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import airflow_provider_braze

PACKAGE = Path(airflow_provider_braze.__file__).parent
NOT_PUBLIC = re.compile(r"^\s*(?:from|import) airflow\.(?:models|api_fastapi|utils|settings)\b", re.M)


def test_only_one_room_knows_airflows_tables_and_permissions() -> None:
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if NOT_PUBLIC.search(path.read_text("utf-8"))
    }
    assert found == {"airflow_compat"}


def test_parsing_a_dag_does_not_load_it() -> None:
    """Loading the tables takes seconds, which each parsing of a DAG and each worker would pay."""
    code = (
        "import sys, airflow_provider_braze.operators.braze, airflow_provider_braze.plugins.braze_tab;"
        "print('airflow_provider_braze.airflow_compat.api_server' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert run.stdout.split()[-1] == "False"
