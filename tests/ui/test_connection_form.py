from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

STANDARD = ["Description", "REST endpoint", "REST API key", "Port"]
EXTRAS = [
    "Requests per second",
    "Requests in flight",
    "Timeout",
    "Objects per request",
    "Partner",
    "Bulk endpoint",
    "Allow plain http",
]


pytestmark = pytest.mark.usefixtures("no_connections")


def test_a_connection_is_made_and_tested_through_the_form(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess
) -> None:
    ui.new_connection("braze_made")

    labels = [label.strip() for label in ui.dialog.locator("label:visible").all_inner_texts()]
    assert labels[2:] == STANDARD
    expect(ui.field("host")).to_have_attribute("placeholder", "https://rest.iad-01.braze.com")
    expect(ui.field("password")).to_have_attribute("type", "password")
    ui.fill(host=sandbox.url, port="443", password=sandbox.key)

    ui.section("Extra Fields")
    expect(ui.field("partner")).to_be_visible()
    expect(ui.field("host")).to_be_hidden()
    labels = [label.strip() for label in ui.dialog.locator("label:visible").all_inner_texts()]
    assert [label for label in labels if label][2:] == EXTRAS
    expect(ui.dialog.get_by_text("75 if empty")).to_be_visible()
    ui.fill(requests_per_second="250", partner="acme")
    # A number's field takes no text, and no number that the limit does not allow.
    ui.field("max_in_flight").press_sequentially("many")
    expect(ui.field("max_in_flight")).to_have_value("")
    ui.save()

    made = airflow.api("GET", "connections/braze_made")
    assert (made["conn_type"], made["host"], made["password"]) == ("braze", sandbox.url, "***")
    given = {name: value for name, value in json.loads(made["extra"]).items() if value is not None}
    assert given == {"requests_per_second": 250, "partner": "acme"}
    assert "Braze knows the key, and it may push (permission users.track)." in ui.test_connection(
        "braze_made"
    )


def test_what_is_wrong_is_told_apart(ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    wrong = {
        "wrong_key": (sandbox.url, "no-such-key", "Wrong key or wrong cluster (401)"),
        "no_permission": (sandbox.url, sandbox.export_only_key, "Missing permission (403)"),
        "nobody_there": (
            "http://127.0.0.1:1",
            sandbox.key,
            "Unreachable host: 127.0.0.1:1 refused the connection",
        ),
        "sdk_endpoint": ("sdk.iad-01.braze.com", sandbox.key, "use the REST endpoint of the same cluster"),
    }
    for conn_id, (host, key, _) in wrong.items():
        airflow.api(
            "POST", "connections", connection_id=conn_id, conn_type="braze", host=host, port=443, password=key
        )
    ui.open("connections")

    for conn_id, (_, key, message) in wrong.items():
        said = ui.test_connection(conn_id)
        assert message in said
        assert key not in said
