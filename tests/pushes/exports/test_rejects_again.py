"""A rejects file is known by what is in it, and is pushed again as its parent was, or not at all."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.rejects.rejects_header import (
    OWN_COLUMNS,
    RejectsHeader,
    original_name,
    written_name,
)
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from tests.reports import check
from tests.sandbox_process import SandboxProcess

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]

OMITTING = ExportMapping(omit=["income"])
NAMES = ["rejects (1).csv", "Kopie von rejects.csv", "RPI_Export_5719.txt", "mended.tsv", "REJECTS.CSV"]


@pytest.fixture
def first(push: Push, land: Land) -> dict[str, Any]:
    """A push with a mapping of its own, one of whose records failed."""
    path = land("external_id,email,income\nU1,ann@example.com,100\nU2,nonsense,200\n")
    return push(path, mapping=OMITTING, run="first")


def mended(report: dict[str, Any], name: str, folder: Path | None = None) -> Path:
    written = Path(report["rejects_path"])
    path = (folder or written.parent) / name
    path.write_bytes(written.read_bytes().replace(b"nonsense", b"bo@example.com"))
    return path


def as_wide_as_the_widest(path: Path, *, token: bool = True) -> Path:
    """Save a rejects file as a spreadsheet does, with or without the name that ties it to its report."""
    rows = [*csv.reader(io.StringIO(path.read_text(), newline=""))]
    width = max(map(len, rows)) - (not token)
    saved = path.with_name("saved.csv")
    with saved.open("w", newline="") as file:
        csv.writer(file).writerows([(row + [""] * width)[:width] for row in rows])
    return saved


@pytest.mark.parametrize(
    ("above", "dialect"),
    [
        (0, {"line_end": "LF"}),
        (0, {"line_end": "CR"}),
        (2, {"skip_lines": 2}),
        (2, {"skip_lines": 2, "line_end": "LF", "delimiter": "pipe", "qualifier": "single"}),
        (0, {"encoding": "Unicode"}),
        (0, {"encoding": "UTF32"}),
        (0, {"encoding": "cp037"}),
        (0, {"encoding": "cp1252"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("city", ["Köln", "Bonn"])
def test_it_is_pushed_with_the_dialect_of_its_export(
    push: Push, land: Land, sandbox: SandboxProcess, above: int, dialect: dict[str, Any], city: str
) -> None:
    """As a DAG does that pushes both: what the file itself shows goes before what is declared of exports."""
    declared = Dialect(**dialect)
    lines = ["a title"] * above + ["external_id,email,town", f"U1,nonsense,{city}", "U2,odd,Ulm"]
    if declared.delimiter:
        lines = [line.replace(",", declared.delimiter) for line in lines]
    path = land("")
    path.write_bytes(
        "".join(line + (declared.line_end or "\n") for line in lines).encode(declared.encoding or "utf-8")
    )
    first = push(path, run="first", dialect=declared, mapping=ExportMapping(trim=False))
    check(first, records=2, invalid=2)

    check(push(mended(first, "rejects.csv"), run="again", dialect=declared), records=2, accepted=1, invalid=1)
    assert sandbox.profile("U1")["custom_attributes"]["rpi_cdp_attributes"] == {"town": city}


@pytest.mark.parametrize("name", NAMES)
def test_under_another_name_it_is_pushed_with_its_parents_mapping(
    push: Push, first: dict[str, Any], sandbox: SandboxProcess, name: str
) -> None:
    report = push(mended(first, name), run="again")
    check(report, status="complete", records=1, accepted=1, mode="upsert", mapping=first["mapping"])
    assert report["parent"] == first["report_path"]
    assert "200" not in json.dumps(sandbox.profile("U2")["custom_attributes"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", [{}, {"mode": "upsert"}, {"mode": "upsert", "mapping": ExportMapping()}])
def test_without_its_parents_report_it_is_refused(
    push: Push,
    first: dict[str, Any],
    sandbox: SandboxProcess,
    tmp_path: Path,
    name: str,
    given: dict[str, Any],
) -> None:
    path = mended(first, name, tmp_path)
    sandbox.reset_stats()
    with pytest.raises(BrazeSetupError, match=r"copy that report\.json beside it"):
        push(path, reports_path=str(tmp_path / "reports"), **given)
    assert sandbox.stats()["requests"] == 0


def test_with_its_report_it_may_lie_anywhere(push: Push, first: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    path = mended(first, "rejects (1).csv", folder)
    shutil.copy(first["report_path"], folder / "report.json")
    report = push(path, run="again")
    assert report["mapping"] == first["mapping"]
    # Its own report lies in the reports folder of its parent.
    assert Path(report["report_path"]).parents[2] == Path(first["report_path"]).parents[2]


@pytest.mark.parametrize("odd", ["1e999", "NaN", "-1e999", "1" + "0" * 400, "true", '"x"', "[]", "null"])
@pytest.mark.parametrize("field", ["modified", "started_at"])
def test_a_report_in_which_no_moment_stands_ends_no_push(
    push: Push, first: dict[str, Any], odd: str, field: str
) -> None:
    path = Path(first["report_path"])
    marked = json.loads(path.read_text()) | ({"modified": None} if field == "started_at" else {})
    path.write_text(json.dumps(marked | {field: "odd"}).replace('"odd"', odd))
    check(push(mended(first, "again.csv"), run="again"), status="complete", records=1, accepted=1)


@pytest.mark.parametrize(
    ("field", "odd"),
    [("mapping", 5), ("mapping", "x"), ("mapping", ["a"]), ("mapping", True)]
    + [(name, "\ud800") for name in ("channel", "offer", "workflow_id")],
)
def test_one_that_no_push_has_written_is_refused(
    push: Push, first: dict[str, Any], field: str, odd: object
) -> None:
    path = Path(first["report_path"])
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: odd}))
    with pytest.raises(BrazeSetupError, match="is not that of the push which wrote these rejects"):
        push(mended(first, "again.csv"), run="again")


def test_among_the_exports_it_is_none(push: Push, first: dict[str, Any], sandbox: SandboxProcess) -> None:
    channel = Path(first["export"]).parent
    path = mended(first, "RPI_Export_5720.txt", channel)
    item = {"path": str(path), "base_path": str(channel.parents[2]), "mode": "upsert"}
    sandbox.reset_stats()
    for export in (str(path), item):
        with pytest.raises(BrazeSetupError, match="is a rejects file"):
            push(export)
    assert sandbox.stats()["requests"] == 0


def test_an_author_may_give_another_mapping(
    push: Push, first: dict[str, Any], sandbox: SandboxProcess
) -> None:
    report = push(mended(first, "rejects (1).csv"), run="again", mapping=ExportMapping())
    assert "omit" not in report["mapping"]
    assert "200" in json.dumps(sandbox.profile("U2")["custom_attributes"])


def test_what_is_called_rejects_and_is_none_is_an_export(push: Push, land: Land) -> None:
    check(push(land("external_id,first_name\nU1,Ann\n", name="rejects.csv")), records=1, accepted=1)


@pytest.mark.parametrize(
    "save",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: b"sep=;\r\n" + text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: "".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) + "\r\n" for line in text.splitlines()
        ).encode(),
        lambda text: text.replace("_reason,", "").encode(),
    ],
    ids=["with a BOM", "with semicolons", "with sep=", "as Unicode text", "quoted", "without a column"],
)
def test_is_known_as_a_spreadsheet_saves_it(
    push: Push, first: dict[str, Any], tmp_path: Path, save: Callable[[str], bytes]
) -> None:
    path = tmp_path / "saved.csv"
    path.write_bytes(save(Path(first["rejects_path"]).read_text()))
    with pytest.raises(BrazeSetupError, match="is a rejects file"):
        push(path, mode="upsert", reports_path=str(tmp_path / "reports"))


def _saved(text: str, change: Callable[[list[list[str]]], list[list[str]]], end: str = "\r\n") -> bytes:
    """Save a rejects file as a spreadsheet does: all rows as wide as the widest."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    width = max(map(len, rows))
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(change([row + [""] * (width - len(row)) for row in rows]))
    return out.getvalue().encode()


HARMLESS: dict[str, Callable[[list[list[str]]], list[list[str]]]] = {
    "upper case": lambda rows: [[name.upper() if name[0] == "_" else name for name in rows[0]], *rows[1:]],
    "blanks around names": lambda rows: [[f" {name} " for name in rows[0]], *rows[1:]],
    "blanks around line numbers": lambda rows: [rows[0], *([f" {row[0]} ", *row[1:]] for row in rows[1:])],
    "empty rows below": lambda rows: [*rows, *[[""] * len(rows[0])] * 3],
    "wider empty rows below": lambda rows: [*rows, [""] * (len(rows[0]) + 2)],
    "empty lines above": lambda rows: [[], [], *rows],
}


@pytest.mark.parametrize("how", HARMLESS)
def test_what_a_spreadsheet_does_to_it_is_harmless(
    push: Push, first: dict[str, Any], sandbox: SandboxProcess, how: str
) -> None:
    path = mended(first, "saved.csv")
    path.write_bytes(_saved(path.read_text(), HARMLESS[how]))
    report = push(path, run="again")
    check(report, status="complete", records=1, accepted=1, mapping=first["mapping"])
    assert sandbox.profile("U2")["email"] == "bo@example.com"
    assert "200" not in json.dumps(sandbox.profile("U2")["custom_attributes"])


KNOWN: dict[str, Callable[[list[list[str]]], list[list[str]]]] = {
    **HARMLESS,
    "a title above": lambda rows: [["Failed records", "", ""], *rows],
    "an empty row above": lambda rows: [[""] * len(rows[0]), *rows],
    "a quoted sep=": lambda rows: [["sep=,"], *rows],
    "without line numbers": lambda rows: [row[1:] for row in rows],
    "nothing but the cells and the token": lambda rows: [row[4:] for row in rows],
    "names without underscores": lambda rows: [[name.removeprefix("_") for name in rows[0]], *rows[1:]],
    "names as R writes them": lambda rows: [[re.sub("^_", "X_", name) for name in rows[0]], *rows[1:]],
    "without line numbers and token": lambda rows: [row[1:-1] for row in rows],
}


@pytest.mark.parametrize("how", KNOWN)
@pytest.mark.parametrize("given", [{}, {"dialect": Dialect(skip_lines=1)}], ids=["", "skip_lines"])
def test_whatever_was_done_to_it_it_is_never_taken_for_an_export(
    push: Push,
    first: dict[str, Any],
    sandbox: SandboxProcess,
    tmp_path: Path,
    how: str,
    given: dict[str, Any],
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    path = mended(first, "saved.csv", folder)
    path.write_bytes(_saved(path.read_text(), KNOWN[how]))
    sandbox.reset_stats()
    with pytest.raises(BrazeSetupError, match=r"is a rejects file.*copy that report\.json beside it"):
        push(path, mode="upsert", reports_path=str(tmp_path / "reports"), **given)
    assert sandbox.stats()["requests"] == 0


def test_lines_above_the_header_are_skipped_as_declared(
    push: Push, first: dict[str, Any], sandbox: SandboxProcess
) -> None:
    path = mended(first, "saved.csv")
    path.write_bytes(_saved(path.read_text(), KNOWN["a title above"]))
    report = push(path, run="again", dialect=Dialect(skip_lines=1))
    check(report, status="complete", records=1, accepted=1, mapping=first["mapping"])


@pytest.mark.parametrize(
    "how", ["without line numbers", "names without underscores", "names as R writes them"]
)
def test_without_line_numbers_it_is_refused_beside_its_report_too(
    push: Push, first: dict[str, Any], how: str
) -> None:
    path = mended(first, "saved.csv")
    path.write_bytes(_saved(path.read_text(), KNOWN[how]))
    with pytest.raises(ExportRefusedError, match="its column '_line' is gone"):
        push(path, run="again", mode="upsert")


class TestReportsThatDoNotFit:
    @pytest.mark.parametrize("without", [["export"], ["export", "failed_rows"]])
    def test_a_report_whose_export_was_removed_makes_no_rows_of_records(
        self, push: Push, first: dict[str, Any], without: list[str]
    ) -> None:
        path = Path(first["report_path"])
        kept = {name: value for name, value in first.items() if name not in without}
        for report in (kept, {**kept, "failed_rows": []}, {**kept, "export": None}):
            path.write_text(json.dumps(report))
            with pytest.raises(BrazeSetupError, match="not that of the push"):
                push(first["rejects_path"])
            with pytest.raises(BrazeSetupError, match="not that of the push"):
                ExportItem.of(first["rejects_path"], {})

    @pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\ud800"])
    def test_what_is_no_report(self, push: Push, first: dict[str, Any], text: str) -> None:
        Path(first["report_path"]).write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(BrazeSetupError, match="keep the two together"):
            push(first["rejects_path"])

    @pytest.mark.parametrize("name", ["rejects.csv", "report.json"])
    def test_neither_is_read_through_a_link(
        self, push: Push, first: dict[str, Any], tmp_path: Path, name: str
    ) -> None:
        path = Path(first["rejects_path"]).with_name(name)
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises((BrazeSetupError, ExportRefusedError), match=r"link|cannot be read"):
            push(first["rejects_path"], mode="upsert")

    def test_of_rows_they_are_rows(self, push_rows: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        report = push_rows(attributes=[{"x": 1}, {"external_id": "U1"}], reports_path=str(tmp_path))
        assert ExportItem.of(report["rejects_path"], {}).is_rows


COLUMNS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=8).filter(
    lambda name: name.strip() == name
)


@given(
    st.lists(
        COLUMNS | st.sampled_from([*OWN_COLUMNS, "_", "\\_x", "|", "a|b|c", ";;"]), min_size=1, max_size=6
    )
)
def test_any_columns_come_back_as_they_were(columns: list[str]) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([*OWN_COLUMNS, *map(written_name, columns)])
    header = RejectsHeader.of(written.getvalue().encode())
    assert header is not None
    assert list(header.original) == columns
    assert [original_name(written_name(column)) for column in columns] == columns


@pytest.mark.parametrize(
    "columns",
    [
        ("_id", "first_name"),
        ("external_id", "_tier", "__x", "\\y"),
        ("external_id", "_line", "_Reason"),
        ("external_id", "a|b|c|d|e|f|g"),
        ("external_id", "a;b", "c\td", "e,f"),
    ],
)
def test_rejects_of_odd_columns_are_pushed_again_as_they_were(
    push: Push, land: Land, sandbox: SandboxProcess, columns: tuple[str, ...]
) -> None:
    """Once every record fails for its number of cells, and once again with the cell that was too many taken away."""
    mapping = ExportMapping(identifier=columns[0])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for n in range(3):
        writer.writerow([f"U{n}", *(f"v{n};|\t,{at}" for at in range(1, len(columns)))])
    whole = push(land(text.getvalue()), mapping=mapping, dialect=Dialect(delimiter=","))
    expected = profiles(sandbox)
    assert whole["accepted"] == 3
    sandbox.reset()

    broken = "".join(
        line + (",surplus" if at else "") + "\n" for at, line in enumerate(text.getvalue().splitlines())
    )
    first = push(land(broken, name="RPI_Export_5720.txt"), mapping=mapping, dialect=Dialect(delimiter=","))
    assert first["invalid"] == 3
    path = Path(first["rejects_path"])
    path.write_text(path.read_text().replace(",surplus", ""))
    check(push(path), records=3, accepted=3)
    assert profiles(sandbox) == expected


def profiles(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    """What is in the workspace, but for what it numbers and dates itself."""
    return [
        {
            name: value
            for name, value in profile.items()
            if name not in ("braze_id", "created_at", "random_bucket")
        }
        for _, profile in sorted(sandbox.profiles().items())
    ]


class TestToken:
    def test_beside_another_pushs_report_it_is_refused(
        self, push: Push, land: Land, first: dict[str, Any], sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        other = push(
            land("external_id,email,income\nU3,nonsense,300\n", name="RPI_Export_5720.txt"), run="other"
        )
        sandbox.reset_stats()
        downloads = tmp_path / "downloads"
        downloads.mkdir()
        shutil.copy(other["report_path"], downloads / "report.json")
        for folder in (Path(other["rejects_path"]).parent, downloads):
            with pytest.raises(
                BrazeSetupError, match=r"written by another push than the report\.json beside it"
            ):
                push(mended(first, "copied.csv", folder))
        assert sandbox.stats()["requests"] == 0
        check(push(mended(other, "mended.csv"), run="again"), records=1, accepted=1)

    def test_beside_the_report_of_an_older_version_too(
        self, push: Push, first: dict[str, Any], tmp_path: Path
    ) -> None:
        report = json.loads(Path(first["report_path"]).read_text())
        del report["token"]
        (tmp_path / "report.json").write_text(json.dumps(report))
        with pytest.raises(BrazeSetupError, match="another push"):
            push(mended(first, "copied.csv", tmp_path))

    def test_a_file_without_one_is_read(self, push: Push, first: dict[str, Any]) -> None:
        path = mended(first, "older.csv")
        header, rest = path.read_text().split("\n", 1)
        assert header.endswith(f",_push_{first['token']}")
        path.write_text(f"{header.rpartition(',')[0]}\n{rest}")
        check(push(path, run="again"), records=1, accepted=1)

    def test_the_cells_of_its_records_stand_where_they_always_stood(self, first: dict[str, Any]) -> None:
        _, row = csv.reader(Path(first["rejects_path"]).read_text().splitlines())
        assert row[4:] == ["U2", "nonsense", "200"]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_a_spreadsheet_makes_all_rows_as_wide_as_the_header(
        self, push: Push, land: Land, delimiter: str
    ) -> None:
        """Of one with an empty cell too many, which then has the right width, nobody has said what belongs where."""
        first = push(land("external_id,email\nU1,nonsense\nU2,bo@example.com,\nU3,odd\n"), run="first")
        path = Path(first["rejects_path"])
        rows = list(csv.reader(path.read_text().splitlines()))
        assert [len(row) for row in rows] == [7, 6, 7, 6]
        # As it was written, what is too wide still is.
        check(push(path, run="as it was"), records=3, invalid=3)
        saved = path.with_name("saved.csv")
        rows = [
            [cell.replace("nonsense", "ann@example.com").replace("odd", "cy@example.com") for cell in row]
            for row in rows
        ]

        def save() -> Path:
            with saved.open("w", newline="") as file:
                csv.writer(file, delimiter=delimiter).writerows([*row, ""][: len(rows[0])] for row in rows)
            return saved

        check(push(save(), run="again"), records=3, accepted=2, invalid=1)
        rows[2][2] = ""
        check(push(save(), run="mended"), records=3, accepted=3)

    @pytest.mark.parametrize("width", [7, 8, 9], ids="as wide as {}".format)
    @pytest.mark.parametrize("end", ["", " ", ",", " , "], ids=repr)
    def test_what_is_too_wide_by_empty_cells_is_not_a_column_off_when_it_is_saved(
        self, push: Push, land: Land, sandbox: SandboxProcess, end: str, width: int
    ) -> None:
        """A delimiter too many before them has put each value below the next name."""
        first = push(land(f"external_id,first_name,home_city\nU1,,Ann,{end}\n"), run="first")
        check(first, records=1, invalid=1, status="failed")

        def saved(report: dict[str, Any], run: str, reason: str | None = None) -> dict[str, Any]:
            path = Path(report["rejects_path"])
            rows = [(row + [""] * width)[:width] for row in csv.reader(path.read_text().splitlines())]
            rows[1][2] = rows[1][2] if reason is None else reason
            with path.with_name("saved.csv").open("w", newline="") as file:
                csv.writer(file).writerows(rows)
            return push(path.with_name("saved.csv"), run=run)

        # Of a row that had lost its end in a program, and of what is left of it.
        again = saved(first, "again")
        check(again, records=1, invalid=1)
        check(push(again["rejects_path"], run="as it is"), records=1, invalid=1)
        again = saved(again, "once more")
        check(again, records=1, invalid=1)
        assert sandbox.profiles() == {}
        check(saved(again, "mended", reason=""), records=1, accepted=1)

    @pytest.mark.parametrize("name", ["Unnamed: {}", "Column{}", "column_{}", "X.{}", "V{}", ""])
    def test_names_that_a_program_makes_up_behind_the_token_are_no_columns(
        self, push: Push, land: Land, sandbox: SandboxProcess, name: str
    ) -> None:
        """Then the token has cells below it: without them, what is too wide would look whole."""
        first = push(
            land("external_id,first_name,Column3\nU1,Ann,a,Troy\nU2,Bo,b,,Salem\nU3,Cy,c,,\nU4,\xe9\n"),
            run="first",
        )
        check(first, records=4, invalid=4, status="failed")
        path = Path(first["rejects_path"])
        head, *rows = csv.reader(path.read_text().splitlines())
        width = max(map(len, rows))
        head += [name.format(at) for at in range(len(head), width)]
        assert len(head) == 9

        def saved(run: str) -> dict[str, Any]:
            with path.with_name("saved.csv").open("w", newline="") as file:
                csv.writer(file).writerows([head, *(row + [""] * (width - len(row)) for row in rows)])
            return push(path.with_name("saved.csv"), run=run)

        check(saved("again"), records=4, invalid=4)
        assert sandbox.profiles() == {}
        rows = [[*row[:7], *[""] * (width - 7)] if row[4] == "U1" else row for row in rows]
        check(saved("mended"), records=4, accepted=1, invalid=3)
        assert sandbox.profile("U1")["custom_attributes"]["rpi_cdp_attributes"] == {"column3": "a"}

    @pytest.mark.parametrize("name", ["", "Unnamed: 0"])
    def test_an_index_that_a_program_puts_in_front_is_no_column(
        self, push: Push, land: Land, sandbox: SandboxProcess, name: str
    ) -> None:
        first = push(land("external_id,email,plan\nU1,nonsense,a\nU2,odd,b\nU3,x,c,d\n"), run="first")
        path = Path(first["rejects_path"])
        head, *rows = csv.reader(path.read_text().replace("nonsense", "ann@example.com").splitlines())
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([[name, *head], *([at, *row] for at, row in enumerate(rows))])
        again = push(path, run="again")
        check(again, records=3, accepted=1, invalid=2)
        assert sandbox.profile("U1")["custom_attributes"]["rpi_cdp_attributes"] == {"plan": "a"}
        left = [*csv.reader(Path(again["rejects_path"]).read_text().splitlines())]
        assert [row[4:-1] for row in left] == [head[4:-1], ["U2", "odd"], ["U3", "x", "c"]]

    @pytest.mark.parametrize("end", ["", ",x,"], ids=["too narrow", "too wide"])
    def test_what_is_of_a_wrong_width_stays_so_when_a_nul_in_it_is_dropped(
        self, push: Push, land: Land, end: str
    ) -> None:
        first = push(land(f"external_id,first_name,home_city\nU1,A\0nn{end}\n"), run="first")
        check(first, records=1, invalid=1, status="failed")
        path = Path(first["rejects_path"])
        path.write_text(path.read_text().replace("\0", ""))
        check(push(as_wide_as_the_widest(path), run="again"), records=1, invalid=1)

    def test_what_is_too_narrow_is_not_made_whole_by_the_cells_that_it_adds(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        """Which cell was missing nobody knows: the ones behind it would be another column's values."""
        first = push(
            land("external_id,first_name,home_city\nU1,Boise\nU2,Troy\nU3,Salem\nU4,Ann,Boise,x\n"),
            run="first",
        )
        check(first, records=4, invalid=4, status="failed")
        path = Path(first["rejects_path"])
        head, u1, u2, u3, u4 = list(csv.reader(path.read_text().splitlines()))
        assert len(u1) == 6
        mended = [head, u1, [*u2[:5], "", u2[5]], [*u3[:2], "", *u3[3:]], u4[:7]]
        saved = path.with_name("saved.csv")
        with saved.open("w", newline="") as file:
            csv.writer(file).writerows([row + [""] * (len(head) - len(row)) for row in mended])
        again = push(saved, run="again")
        check(again, records=4, accepted=3, invalid=1)
        (left,) = csv.DictReader(Path(again["rejects_path"]).read_text().splitlines())
        assert (left["external_id"], left["_reason"]) == (
            "U1",
            "2 columns where the export had 3; where its last cells really are empty, delete its _reason",
        )
        # What is left is pushed again as it is, and is not taken for mended either.
        check(push(again["rejects_path"], run="once more"), records=1, invalid=1)
        assert sandbox.profile("U2")["home_city"] == "Troy"
        assert sandbox.profile("U3")["first_name"] == "Salem"

    @pytest.mark.parametrize("token", [True, False], ids=["", "without the token"])
    @pytest.mark.parametrize("delimiter", ["\t", ","])
    def test_a_line_that_could_not_be_cut_becomes_nobody_by_the_cells_that_it_adds(
        self, push: Push, land: Land, sandbox: SandboxProcess, delimiter: str, token: bool
    ) -> None:
        names = ["ann", '"Jim', "cy", 'Bob"', "eve", '"Al" Lee', '"Zo\0', '"Kim']
        lines = [["external_id", "nickname", "home_city", "state"]]
        lines += [[f"U{n}", name, "Boise", "ID"] for n, name in enumerate(names)]
        first = push(land("".join(delimiter.join(line) + "\n" for line in lines)), run="first")
        check(first, records=8, accepted=3, invalid=5)
        path = Path(first["rejects_path"])
        saved = as_wide_as_the_widest(path, token=token)
        again = push(saved, run="again")
        check(again, records=5, invalid=5)
        assert set(sandbox.profiles()) == {"U0", "U2", "U4"}
        # Nor when what is left of it is saved and pushed once more.
        check(push(as_wide_as_the_widest(Path(again["rejects_path"])), run="once more"), records=5, invalid=5)

        head, *rows = csv.reader(saved.read_text().splitlines())
        rows = [[*row[:4], *row[4].replace('"', "").replace("\0", "o").split(delimiter)] for row in rows]
        # One has nothing but an identifier; who mended it has said so.
        rows[0] = [*rows[0][:2], "", rows[0][3], "U1", "", "", ""]
        with saved.open("w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        check(push(saved, run="mended"), records=5, accepted=5)
        assert set(sandbox.profiles()) == {f"U{n}" for n in range(8)}
        assert sandbox.profile("U3")["custom_attributes"]["rpi_cdp_attributes"]["nickname"] == "Bob"

    def test_a_line_that_could_not_be_cut_is_nobody_where_there_is_one_column(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        first = push(land('external_id\nU1\n"U2\nU3\n'), run="first", dialect=Dialect(delimiter="comma"))
        check(first, records=3, accepted=2, invalid=1)
        path = Path(first["rejects_path"])
        check(push(path, run="again"), records=1, invalid=1)
        path.write_text(path.read_text().replace('"""U2"', "U2"))
        check(push(path, run="mended"), records=1, accepted=1)
        assert set(sandbox.profiles()) == {"U1", "U2", "U3"}

    @pytest.mark.parametrize("put", ["\N{REPLACEMENT CHARACTER}", "?"])
    def test_a_character_that_a_program_put_for_an_unreadable_byte_is_not_sent(
        self, push: Push, land: Land, sandbox: SandboxProcess, put: str
    ) -> None:
        export = land("external_id,nickname\nU1,Zo?\nU2,Bo\n")
        export.write_bytes(export.read_bytes().replace(b"?", b"\xeb"))
        first = push(export, run="first")
        check(first, records=2, accepted=1, invalid=1)
        path = Path(first["rejects_path"])
        path.write_text(
            path.read_bytes().decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", put)
        )
        again = push(path, run="again")
        check(again, records=1, invalid=1)
        path.write_text(path.read_text().replace("Zo" + put, "Zoë"))
        check(push(path, run="mended"), records=1, accepted=1)
        assert sandbox.profile("U1")["custom_attributes"]["rpi_cdp_attributes"] == {"nickname": "Zoë"}

    def test_what_is_too_wide_by_an_empty_cell_stays_so(self, push: Push, land: Land) -> None:
        first = push(land("external_id,email\nU1,ann@example.com\nU2,bo@example.com,\n"), run="first")
        check(first, records=2, accepted=1, invalid=1)
        check(push(first["rejects_path"], run="again"), records=1, invalid=1)
