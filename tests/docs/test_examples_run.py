"""The DAGs that the pages show do what the pages say: their tasks are executed, against the sandbox over HTTP."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Variable

from airflow_provider_braze.hooks import cdi
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests import samples
from tests.connections import connect
from tests.docs.pages import DOCS, blocks
from tests.sandbox_process import SandboxProcess


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def shown(page: str) -> list[DAG]:
    """The DAGs of a page, in their order."""
    dags = []
    for block in blocks(DOCS / page):
        if block.language == "python" and "with DAG(" in block.text:
            namespace: dict[str, Any] = {"__name__": "example"}
            exec(compile(block.text.replace("):\n", ") as shown:\n", 1), page, "exec"), namespace)
            dags.append(namespace["shown"])
    return dags


def test_taskflow(sandbox: SandboxProcess) -> None:
    (dag,) = shown("taskflow.md")

    report = dag.get_task("tiers").execute({})

    assert report["accepted"] == len(sandbox.profiles()) == 1000
    assert {each["custom_attributes"]["loyalty_tier"] for each in sandbox.profiles().values()} == {"gold"}


def test_a_mapping_from_a_variable(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_BRAZE_MAPPING", '{"omit": ["output_name"]}')
    (block,) = [block for block in blocks(DOCS / "mapping.md") if "Variable.get(" in block.text]
    exports = SimpleNamespace(output=str(samples.EXPORTS[1].land(tmp_path)))
    names = {"BrazeUserTrackOperator": BrazeUserTrackOperator, "Variable": Variable, "exports": exports}

    made = eval(compile(block.text, "mapping.md", "eval"), names)

    assert "rpi_audience_outputs" not in made.execute({})["data_points_by_attribute"]


def test_lists_in_python(sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = {"id": "c1", "name": "Spring", "last_edited": "2026-03-02T00:00:00", "channels": ["email"]}
    sandbox.put_messaging(
        campaigns=[campaign, {**campaign, "id": "c2", "last_edited": "2026-02-01T00:00:00"}]
    )
    first, listing = [block.text for block in blocks(DOCS / "connection.md") if "hook." in block.text][:2]

    namespace: dict[str, Any] = {}
    # The sandbox has no endpoint for the example of one that the hook has no method for.
    exec(compile(first[: first.index("hook.run(")], "connection.md", "exec"), namespace)
    exec(compile(listing, "connection.md", "exec"), namespace)

    assert capsys.readouterr().out == "Spring ['email']\n"


def test_users(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(
        *({"external_id": f"P000{n}"} for n in range(1, 6)), {"braze_id": "a", "email": "ann@example.com"}
    )
    (dag,) = shown("users.md")

    assert [dag.get_task(name).execute({})["accepted"] for name in ("delete", "unsubscribe")] == [3, 2]
    left = sandbox.profiles()
    assert (
        set(left) == {"P0003", "P0004", "P0005"} == {each["external_id"] for each in sandbox.all_profiles()}
    )
    assert left["P0003"]["subscription_groups"][0]["subscription_state"] == "unsubscribed"


def test_cdi(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    monkeypatch.setattr(cdi, "_limiters", {})
    (dag,) = shown("cdi.md")
    sync, start, wait = (dag.get_task(name) for name in ("sync", "start", "wait"))
    sandbox.put_cdi(
        **{sync.integration_id: {"next": [{"rows_synced": 3, "running_for": 0}, {"rows_synced": 4}]}}
    )
    sync.deferrable, sync.poll_interval = False, 0

    assert sync.execute({})["rows_synced"] == 3
    # Given whole: a part of it by name would be another XCom.
    assert str(wait.started_after) == str(start.output)
    wait.started_after = start.execute({})
    wait.deferrable, wait.poke_interval = False, 0.1
    assert wait.execute({})["rows_synced"] == 4


def test_lineage() -> None:
    (dag,) = shown("lineage.md")

    assert [each.uri for each in dag.get_task("push").outlets] == ["braze://rest.iad-01.braze.com/"]
    assert dag.schedule[0].uri == "redpoint://file/mnt/rpi/Braze%20Append/Spring%20Welcome"
