"""Six exports as RPI may write them, awkward on purpose, with exact bytes. The people are invented.

``EXPORTS`` are in the order in which they land; ``land`` writes one where RPI would.
"""

# ruff: noqa: E501 - a row of an export is one line here too
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

UPSERT_CHANNEL = "Braze Onboarding and Upsert"
APPEND_CHANNEL = "Braze Append"

UPSERT_COLUMNS = (
    "RPContactID,ChannelExecutionID,external_id,first_name,last_name,email,country,dob,gender,home_city,phone,"
    "output_name,education,income,marital_status,zip"
)
APPEND_COLUMNS = "RPContactID,ChannelExecutionID,external_id,output_name"


@dataclass(frozen=True, kw_only=True)
class SampleExport:
    """One export: where RPI would write it, and its bytes."""

    channel: str
    offer: str
    workflow_id: str
    execution_id: int
    content: bytes

    @property
    def path(self) -> str:
        """The path below the base path."""
        return f"{self.channel}/{self.offer}/{self.workflow_id}/RPI_Export_{self.execution_id}.txt"

    def land(self, base: Path, modified: float | None = None) -> Path:
        """Write the whole export below a base path, as old as told."""
        return _write(base / self.path, self.content, modified)


def _write(target: Path, content: bytes, modified: float | None) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    if modified is not None:
        os.utime(target, (modified, modified))
    return target


def _lines(text: str, line_end: str = "\r\n") -> str:
    """Put in what cannot be seen: ``→`` a tab, ``↵`` a line feed inside a value, ``⏎`` a CRLF inside one."""
    return text.replace("\n", line_end).replace("→", "\t").replace("↵", "\n").replace("⏎", "\r\n")


# Quotes, a delimiter in a value, leading zeros, accents, empty cells.
_COMMA = SampleExport(
    channel=UPSERT_CHANNEL,
    offer="Spring Welcome",
    workflow_id="8828",
    execution_id=5719,
    content=_lines(f"""\
{UPSERT_COLUMNS}
1000000231,5719,P0001,José,"O""Neill",jose@example.com,ES,1984-02-29,M,A Coruña,+34600000001,"High Value, Spain",Bachelor's,52000,Married,01520
1000000232,5719,P0002,Anne-Marie,Lefèvre,am@example.com,FR,,F,"Paris, 11e",0033600000002,"High Value, Spain",,,Single,75011
1000000233,5719,P0003,,,,US,2001-12-31,,,,All Remaining,,0,,00501
""").encode(),
)

# What RPI's API writes by default: tab, no qualifier. One person in two outputs.
_TAB = SampleExport(
    channel=APPEND_CHANNEL,
    offer="Spring Welcome",
    workflow_id="8828",
    execution_id=5720,
    content=_lines(f"""\
{APPEND_COLUMNS.replace(",", "→")}
1000000301→5720→P0001→Email Reachable
1000000302→5720→P0001→SMS Reachable
1000000303→5720→P0002→Email Reachable
""").encode(),
)

# A BOM, every value wrapped, line breaks inside values, the older spelling external_Id, an id with leading zeros.
_WRAPPED_HEADER = ",".join(
    f'"{name}"' for name in UPSERT_COLUMNS.replace("external_id", "external_Id").split(",")
)
_WRAPPED = SampleExport(
    channel=UPSERT_CHANNEL,
    offer="Lapsed Win-back",
    workflow_id="8829",
    execution_id=5721,
    content=_lines(f'''\
{_WRAPPED_HEADER}
"1000000401","5721","P0101","Zoë","Müller","zoe@example.com","DE","1990-07-01","F","München","+4915100000003","Lapsed 6-12m","Master⏎of Arts","61000","Single","80331"
"1000000402","5721","P0102","Ann ""Annie""","Lee","ann@example.com","US","1975-01-05","F","New↵York","0015550100104","Lapsed 6-12m","","","","10001"
"1000000403","5721","0000103","Bo","Li","bo@example.com","CN","1969-10-10","M","北京","","Lapsed 6-12m","PhD","99000.50","Married","100000"
''').encode("utf-8-sig"),
)

# .NET's "Unicode": UTF-16 with a BOM; pipes, and one pipe inside a value.
_UTF16 = SampleExport(
    channel=UPSERT_CHANNEL,
    offer="Loyalty",
    workflow_id="8830",
    execution_id=5722,
    content=b"\xff\xfe"
    + _lines(
        f"""\
{UPSERT_COLUMNS.replace(",", "|")}
1000000501|5722|P0201|Łukasz|Żak|lz@example.com|PL|1988-08-08|M|Łódź|+48500000005|Loyalty Gold|Secondary|40000|Single|90-001
1000000502|5722|P0202|Mary|"A|B"|mab@example.com|GB|1999-09-09|F|York|0044700000006|Loyalty Gold||||YO1 7HH
1000000503|5722|P0203|さくら|佐藤|sakura@example.com|JP|1993-03-03|F|大阪市|+818000000007|Loyalty Silver|Bachelor|35000|Married|0600000
""",
        line_end="\n",
    ).encode("utf-16-le"),
)

# The header does not name the two prepended columns. One person twice, and one whom Braze does not know.
_SHORT_HEADER = SampleExport(
    channel=APPEND_CHANNEL,
    offer="Spring Sale",
    workflow_id="8831",
    execution_id=5723,
    content=_lines("""\
external_id,output_name
1000000601,5723,P0001,Spring Sale - Test
1000000602,5723,P0001,Spring Sale - Test
1000000603,5723,P9999,Spring Sale - Control
""").encode(),
)

# No qualifier, so that a tab and a line break inside values break two of the three rows.
_BROKEN = SampleExport(
    channel=UPSERT_CHANNEL,
    offer="Prospecting",
    workflow_id="8832",
    execution_id=5724,
    content=_lines(f"""\
{UPSERT_COLUMNS.replace(",", "→")}
1000000701→5724→P0301→Ok→Row→ok@example.com→US→1980-01-01→M→Boise→0015550100108→Prospects→→→→02134
1000000702→5724→P0302→Tab→Inside→Row→tab@example.com→US→1980-01-02→F→Reno→→Prospects→→→→02135
1000000703→5724→P0303→Nl→Row→nl@example.com→US→1980-01-03→F→Salt Lake↵City→→Prospects→→→→02136
""").encode(),
)

EXPORTS = (_COMMA, _TAB, _WRAPPED, _UTF16, _SHORT_HEADER, _BROKEN)

DECOYS = (
    f"{UPSERT_CHANNEL}/Spring Welcome/8828/RPI_Export_5719.txt_summary.xml",
    f"{UPSERT_CHANNEL}/Spring Welcome/8828/RPI_Export_5719.txt_sample",
    f"{UPSERT_CHANNEL}/Spring Welcome/8828/RPI_Export_5719_Content.txt",
    f"{UPSERT_CHANNEL}/Spring Welcome/8828/RPI_Export_5719_Source.txt",
)
"""Files that RPI may write beside an export, and that nobody may push."""


def land_decoys(base: Path, modified: float | None = None) -> None:
    """Write the files beside an export that are none."""
    for path in DECOYS:
        _write(base / path, b"Subject: not an export\r\n", modified)
