"""What the page about scaling shows: the DAG pushes into two workspaces, and the pod fits Airflow and the provider."""

from __future__ import annotations

import runpy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from airflow.sdk import DAG

from airflow_provider_braze.pushes.attempt.running import PATIENCE
from tests.connections import connect
from tests.docs.pages import DOCS, blocks
from tests.sandbox_process import SandboxProcess

EXAMPLE, POD = DOCS / "examples" / "several_workspaces.py", DOCS / "examples" / "pod_template.yaml"
PLACE = Path("Braze Onboarding and Upsert", "Spring", "8828", "RPI_Export_5719.txt")


def test_the_page_shows_the_files() -> None:
    shown = {block.text for block in blocks(DOCS / "scaling.md")}
    assert {EXAMPLE.read_text(), POD.read_text()} <= {f"{text.rstrip()}\n" for text in shown}


def test_each_workspace_gets_its_own_exports(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with SandboxProcess() as south:
        connect(monkeypatch, sandbox, conn_id="braze_north")
        connect(monkeypatch, south, conn_id="braze_south")
        dag: DAG = runpy.run_path(str(EXAMPLE))["dag"]
        for brand in ("north", "south"):
            path = tmp_path / brand / PLACE
            path.parent.mkdir(parents=True)
            path.write_text(f"external_id,first_name\n{brand}-1,Ann\n")
            push = dag.get_task(f"braze_{brand}.push")
            assert dag.get_task(f"braze_{brand}.find").braze_conn_id == push.braze_conn_id
            assert push.upstream_task_ids == {f"braze_{brand}.find"}
            push.export = str(path)
            report = push.execute({})
            assert (report["status"], report["accepted"]) == ("complete", 1)
        assert set(sandbox.profiles()) == {"north-1"}
        assert set(south.profiles()) == {"south-1"}


@pytest.mark.parametrize("version", ["1.30", "1.32", kubernetes_validate.latest_version()])
def test_the_pod_is_one_for_kubernetes(version: str) -> None:
    """By Kubernetes' own schema, in which a misspelt field is one too many."""
    pod = yaml.safe_load(POD.read_text())
    assert pod["kind"] == "Pod"
    kubernetes_validate.validate(pod, version, strict=True)
    pod["spec"]["containers"][0]["resources"]["request"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="request"):
        kubernetes_validate.validate(pod, version, strict=True)


def test_the_pod_is_one_for_airflow_and_for_pushes() -> None:
    spec = yaml.safe_load(POD.read_text())["spec"]
    # Airflow decides about tries, and asks for this container.
    assert spec["restartPolicy"] == "Never"
    (container,) = spec["containers"]
    assert container["name"] == "base"
    assert spec["terminationGracePeriodSeconds"] > 10 * PATIENCE
    assert spec["securityContext"]["runAsNonRoot"] is True
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}
    for env in container["env"]:
        assert env["name"].startswith("AIRFLOW_")
        assert "value" not in env
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
