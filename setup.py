"""What setup.cfg cannot say: a description whose links work elsewhere, and a source archive that is always the same."""

from __future__ import annotations

import gzip
import os
import re
import tarfile
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

HOME = PICTURES = ""
"""Where everyone can read this repository's pages, and its pictures as they are, such as
``https://code.example.com/us/braze/blob/v0.2.0/`` and ``.../raw/v0.2.0/``; empty as long as there is no such place."""

_PICTURE = re.compile(r"^(?:<p align|<picture|</picture|</p>|  <source|  <img|!\[).*\n", re.MULTILINE)
_SHOWN = re.compile(r'((?:src|srcset)="|!\[[^\]]*\]\()(?!https?:)')
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def described(readme: str, home: str = HOME, pictures: str = PICTURES) -> str:
    """Make every link of the README absolute; without a home, say what it would lead to and leave it out.

    A package index shows the text alone, without the files beside it.
    """
    if home:
        return _LINK.sub(rf"[\g<1>]({home}\g<2>)", _SHOWN.sub(rf"\g<1>{pictures}", readme))
    return _LINK.sub(r"\g<1>", _PICTURE.sub("", readme))


class SameEachTime(sdist):
    """A source archive whose bytes depend on the files alone, and on SOURCE_DATE_EPOCH."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **_) -> str:  # noqa: ARG002 - of setuptools
        """Write a .tar.gz in order, with one time, one owner and two modes."""
        epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))

        def settled(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() else 0o644
            return entry

        target = f"{base_name}.tar.gz"
        top = Path(root_dir or ".", base_dir or ".")
        with (
            open(target, "wb") as file,
            gzip.GzipFile("", "wb", mtime=epoch, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in sorted([top, *top.rglob("*")]):
                archive.add(path, str(path.relative_to(root_dir or ".")), recursive=False, filter=settled)
        return target


if __name__ == "__main__":
    setup(
        long_description=described(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
        cmdclass={"sdist": SameEachTime},
    )
