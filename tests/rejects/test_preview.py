"""The preview of a rejects file quotes no value in a reason, whichever way Braze has written it."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_braze.rejects.preview import preview


def test_what_braze_quotes_of_a_cell_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "_braze" / "rows" / "push" / "rejects.csv"
    path.parent.mkdir(parents=True)
    path.write_text(
        "_line,_outcome,_reason,_column,external_id,first_name\n"
        "2,rejected,'Zo&#235; &amp; Quilty' is not valid,,U1,Zoë & Quilty\n"
        "3,invalid,Zoë & Quilty is no number,,U2,Zoë & Quilty\n"
    )
    shown = preview(str(path), {})
    assert [record[2] for record in shown.records] == ["'…' is not valid", "… is no number"]
    assert "Quilty" not in repr(shown)
