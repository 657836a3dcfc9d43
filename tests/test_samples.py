from __future__ import annotations

import hashlib

import pytest

from tests.samples import DECOYS, EXPORTS, SampleExport, land_decoys

# Sizes and sha256 of the bytes that were agreed on, so that no edit of the writer changes a sample unnoticed.
AGREED = {
    5719: (494, "d576e28afd074d3595e8e3cf1f29156bfbe71296b8e3373428d8937957b0303a"),
    5720: (171, "69d45af5d030b8b7f2086a694888caf2b0257b7b941ee2b625ad1adf79c0ae32"),
    5721: (654, "3d7706d2d623f50e99f30bbeda867508a2d7a44096d2bb1e4fc343106f493274"),
    5722: (1030, "5cf35d93f538a96c7e15ef50d0098a005f11229b2a54c7870d5443b0a1d0357f"),
    5723: (154, "72604ea4e89800aa3e058b222bf0f7934adc1ea4840b00455b3fac44e4a616ec"),
    5724: (445, "cc9fb3e9bca2577c4eb815489ece6c740f37de4b07e109733a9eb75345c29c77"),
}


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.execution_id)
def test_samples_have_the_agreed_bytes(export: SampleExport) -> None:
    size, digest = AGREED[export.execution_id]

    assert len(export.content) == size
    assert hashlib.sha256(export.content).hexdigest() == digest


def test_land_writes_an_export_where_rpi_would(tmp_path) -> None:
    landed = EXPORTS[0].land(tmp_path, modified=1_700_000_000)

    assert landed.relative_to(tmp_path).parts == (
        "Braze Onboarding and Upsert",
        "Spring Welcome",
        "8828",
        "RPI_Export_5719.txt",
    )
    assert landed.read_bytes() == EXPORTS[0].content
    assert landed.stat().st_mtime == 1_700_000_000


def test_decoys_lie_beside_an_export(tmp_path) -> None:
    export = EXPORTS[0].land(tmp_path)
    land_decoys(tmp_path, modified=1_700_000_000)

    assert {path.name for path in export.parent.iterdir()} == {
        export.name,
        *(path.rsplit("/", 1)[1] for path in DECOYS),
    }
