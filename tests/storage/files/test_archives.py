"""Zip and gzip with one export in it: read as it is, in constant memory, and refused when they are anything else."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.discovery.landing import is_export
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files import archives
from airflow_provider_braze.storage.files.archives import unpacked
from airflow_provider_braze.storage.files.plain import open_plain
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push
from tests.reports import check
from tests.sandbox_process import SandboxProcess

HEADER = b"RPContactID,ChannelExecutionID,external_id,first_name\n"


def rows(count: int) -> bytes:
    return HEADER + b"".join(b"%d,5719,U%d,Ann\n" % (n, n) for n in range(count))


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


class OneWay(io.RawIOBase):
    """A file that is written from its start to its end, as one that goes over a network."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.content += data
        return len(data)


def zip64(content: bytes, *, streamed: bool = False) -> bytes:
    """A zip with the sizes of a large one, which a writer of streams cannot know beforehand."""
    file = OneWay() if streamed else io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,  # type: ignore[arg-type]
        archive.open("RPI_Export_1.txt", "w", force_zip64=True) as member,
    ):
        member.write(content)
    return bytes(file.content) if isinstance(file, OneWay) else file.getvalue()


def told_at_large(archive: bytes) -> bytes:
    """The same zip, with its numbers in the end of a large one, which some writers use whatever the size."""
    *_, members, length, at, _ = struct.unpack("<4s4H2LH", archive[-22:])
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, members, members, length, at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(archive) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return archive[:-22] + large + locator + end


def opened(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))  # type: ignore[type-var]


def content_of(archive: bytes) -> bytes:
    found = unpacked(opened(archive), "x.zip")
    assert found is not None
    with found:
        return b"".join(iter(lambda: found.read(50_000), b""))


@pytest.mark.parametrize(
    "archive",
    [
        zipped(("RPI_Export_1.txt", rows(5_000))),
        zipped(("RPI_Export_1.txt", rows(5_000)), method=zipfile.ZIP_STORED),
        zipped(
            ("folder/", b""),
            ("folder/RPI_Export_1.txt", rows(5_000)),
            ("folder/RPI_Export_1.txt_summary.xml", b"<a/>"),
            ("folder/RPI_Export_1.txt_sample", b"x"),
        ),
        zipped(
            ("RPI_Export_1.txt", rows(5_000)),
            (".DS_Store", b"x"),
            ("__MACOSX/._RPI_Export_1.txt", b"x"),
        ),
        zip64(rows(5_000)),
        zip64(rows(5_000), streamed=True),
        zipped(("RPI_Export_1.txt", rows(5_000))) + bytes(1_000),
        told_at_large(zipped(("RPI_Export_1.txt", rows(5_000)))),
        gzip.compress(rows(5_000)),
        gzip.compress(rows(5_000)) + bytes(512),
        gzip.compress(rows(2_000)) + gzip.compress(b"") + gzip.compress(rows(5_000)[len(rows(2_000)) :]),
        gzip.compress(rows(2_000)) + gzip.compress(rows(5_000)[len(rows(2_000)) :]),
    ],
)
def test_what_is_packed_is_read_as_it_is(archive: bytes) -> None:
    assert content_of(archive) == rows(5_000)


def test_what_is_not_packed_is_left_at_its_start() -> None:
    file = opened(rows(2))
    assert unpacked(file, "x.txt") is None
    assert file.read() == rows(2)


def damaged(archive: bytes) -> bytes:
    middle = len(archive) // 2
    return (
        archive[:middle]
        + bytes(byte ^ 0xFF for byte in archive[middle : middle + 40])
        + archive[middle + 40 :]
    )


ZIP = zipped(("RPI_Export_1.txt", rows(5_000)))
GZIP = gzip.compress(rows(5_000), mtime=0)


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (ZIP[: len(ZIP) // 2], "cut off"),
        (ZIP[:-1], "cut off"),
        (GZIP[: len(GZIP) // 2], "cut off"),
        (GZIP[:-1], "cut off"),
        (GZIP[:3], "cut off"),
        (damaged(ZIP), "damaged"),
        (ZIP[:-22] + told_at_large(ZIP)[-22:], "no end of a large one"),
        (told_at_large(zipped(*((f"{n}.txt", b"1") for n in range(40)))), "40 files and not one"),
        (GZIP[:-8] + bytes(8), "damaged"),
        (GZIP + b"something else", "damaged"),
        (GZIP + GZIP[:30], "cut off"),
        (zipped(), "0 exports"),
        (zipped(("a.txt", b"1"), ("b.txt", b"2")), "2 exports and not one"),
        (zipped(*((f"{n}.txt", b"1") for n in range(40))), "40 files and not one"),
        (zipped(("a.txt", rows(9)), method=zipfile.ZIP_LZMA), "only Deflate"),
        (
            zipped(("a.txt", rows(9))).replace(
                b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
            ),
            "password",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_and_says_why(archive: bytes, said: str) -> None:
    with pytest.raises(ExportRefusedError, match=said):
        content_of(archive)


@pytest.mark.parametrize(
    "archive",
    [
        zipped(("RPI_Export_1.txt", rows(20))),
        zipped(("out/", b""), ("out/RPI_Export_1.txt", rows(20)), method=zipfile.ZIP_STORED),
        zip64(rows(20), streamed=True),
        told_at_large(zipped(("RPI_Export_1.txt", rows(20)))),
        gzip.compress(rows(20), mtime=0),
    ],
    ids=["deflated", "stored", "streamed", "large", "gzip"],
)
def test_wherever_it_has_suffered_it_is_refused_or_tells_the_truth(tmp_path: Path, archive: bytes) -> None:
    """One that ended with an error of another kind was tried for ever, and held up all exports after it."""
    cut = [archive[:at] for at in range(4, len(archive))]
    flipped = [
        archive[:at] + bytes([byte]) + archive[at + 1 :]
        for at in range(4, len(archive))
        for byte in {0, 0xFF, archive[at] ^ 1, archive[at] ^ 0x80}
    ]
    path = tmp_path / "x.zip"
    for suffered in cut + flipped:
        path.write_bytes(suffered)
        with contextlib.suppress(ExportRefusedError), open_plain(str(path)) as file:
            found = unpacked(file, path.name)
            assert found is not None
            assert b"".join(iter(lambda read=found.read: read(50_000), b"")) == rows(20)


def _read_through(archive: bytes) -> None:
    found = unpacked(opened(archive), "x")
    assert found is not None
    while found.read(1 << 16):
        pass


@pytest.mark.parametrize("pack", [lambda content: zipped(("a.txt", content)), gzip.compress])
def test_a_bomb_is_stopped_in_constant_memory(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    bomb = pack(bytes(60 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ExportRefusedError, match="250 times as much"):
            _read_through(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_directory_that_tells_less_than_there_is_lets_no_bomb_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    bomb = bytearray(zipped(("a.txt", bytes(60 << 20))))
    directory = bomb.rindex(b"PK\x01\x02")
    bomb[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(ExportRefusedError, match="damaged"):
        content_of(bytes(bomb))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RPI_Export_1.zip", True),
        ("rpi_export_1.TXT.ZIP", True),
        ("RPI_Export_1.txt.gz", True),
        ("RPI_Export_1.gz", True),
        ("RPI_Export_1.txt.zip.tmp", False),
        ("RPI_Export_1_Content.zip", False),
        ("RPI_Export_1_Content.txt.zip", False),
        ("RPI_Export_1.txt.pgp", False),
        ("Other_1.zip", False),
    ],
)
def test_the_default_pattern_takes_packed_exports(name: str, expected: bool) -> None:
    assert is_export(name) is expected
    assert is_export(name, "RPI_Export_??.txt") is False


class TestPush:
    @pytest.fixture
    def push(self, sandbox: SandboxProcess, tmp_path: Path) -> Callable[..., dict[str, Any]]:
        def run(archive: bytes, name: str) -> dict[str, Any]:
            folder = tmp_path / "Braze Onboarding and Upsert/Offer/1"
            folder.mkdir(parents=True)
            (folder / name).write_bytes(archive)
            search = ExportSearch.read(base_path=str(tmp_path), settle_seconds=0)
            (item,) = poll(search, PollState()).items
            assert item["channel_execution_id"] == "5719"
            workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
            return export_push(
                workspace=workspace, braze_conn_id="braze_default", run="r", export=item
            ).execute()

        return run

    @pytest.mark.parametrize(
        ("archive", "said"),
        [
            (b"PK\x07\x08" + zipped(("a.txt", rows(9))), "a zip archive in several parts"),
            (zipped(("a.txt.gz", gzip.compress(rows(9)))), "a gzip archive inside an archive"),
            (gzip.compress(zipped(("a.txt", rows(9)))), "a zip archive inside an archive"),
        ],
    )
    def test_what_is_packed_otherwise_is_refused_and_says_how(
        self, push: Callable[..., dict[str, Any]], sandbox: SandboxProcess, archive: bytes, said: str
    ) -> None:
        with pytest.raises(ExportRefusedError, match=said):
            push(archive, "RPI_Export_5719.zip")
        assert sandbox.stats()["requests"] == 0

    @pytest.mark.parametrize("name", ["RPI_Export_5719.zip", "RPI_Export_5719.txt.gz"])
    def test_a_packed_export_goes_through(
        self, push: Callable[..., dict[str, Any]], sandbox: SandboxProcess, name: str
    ) -> None:
        pack = gzip.compress if name.endswith("gz") else lambda content: zipped(("a.txt", content))
        report = push(pack(rows(300)), name)
        check(report, status="complete", records=300, accepted=300)
        assert len(sandbox.profiles()) == 300

    def test_one_that_breaks_off_midway_is_partial(
        self, push: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        archive = gzip.compress(rows(150_000))
        with pytest.raises(ExportRefusedError, match="cut off") as failed:
            push(archive[: len(archive) * 9 // 10], "RPI_Export_5719.txt.gz")
        report = failed.value.report
        assert report is not None
        assert report["status"] == "partial"
        assert report["accepted"] > 0
        assert not list(tmp_path.rglob("pushed/*/*"))
        assert not [path for path in tmp_path.rglob("*") if path.suffix == ".txt"], "no copy is made"
