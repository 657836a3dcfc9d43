"""A path or URL, resolved to an fsspec filesystem; Airflow connections are used where the URL names one.

Above: whoever opens, lists or writes a file. Below: the filesystems, and files of this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import fsspec

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.files import local, stores
from airflow_provider_braze.storage.files.filesystems import (
    SESSION_SCHEMES,
    airflow_filesystem,
    parted,
    session_filesystem,
)

OBJECT_STORES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "oci", "oss", "memory"})
"""Stores whose objects appear whole: visible is landed. Any other storage can show a file being written."""

_BLOCK = 1 << 20

_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "modified", "modify", "created")
"""How fsspec's filesystems call the time of the last change; ``created`` is all that some object stores tell."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a storage says of one file: ``modified`` is seconds since the epoch, None where it is not told."""

    size: int
    modified: float | None
    etag: str | None
    exact: bool = field(default=True, compare=False)
    """Whether etag or time tell two states of a file apart: some listings tell whole minutes, or no time at all."""

    @classmethod
    def of(cls, info: dict[str, Any]) -> Stat:
        """Read an fsspec info, whose keys differ from storage to storage."""
        etag = info.get("ETag") or info.get("etag")
        modified = _seconds(info)
        exact = bool(etag) or (modified is not None and info.get("exact") is not False)
        return cls(int(info.get("size") or 0), modified, str(etag).strip('"') if etag else None, exact)


def _seconds(info: dict[str, Any]) -> float | None:
    for key in _MODIFIED_KEYS:
        value = info.get(key)
        if isinstance(value, str):
            value = _moment(value)
        if isinstance(value, datetime):
            # A storage that names no zone means UTC; Python would take it for this machine's own zone.
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def _moment(text: str) -> datetime | None:
    try:
        if text[:14].isdigit():  # FTP's own notation, RFC 3659
            return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Location:
    """One file or folder: ``url`` as people write it, ``path`` as its filesystem takes it.

    :param within: on this machine, and where a server tells of links, a folder above it below which nothing is reached
        through one; None: links are followed.
    """

    fs: fsspec.AbstractFileSystem
    path: str
    url: str
    within: str | None = None

    @property
    def appears_whole(self) -> bool:
        """Whether a file that is visible here is complete."""
        protocol = self.fs.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        return bool(names & OBJECT_STORES)

    @property
    def is_local(self) -> bool:
        """Whether it lies on a file system of this machine."""
        protocol = self.fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def answered(self) -> contextlib.AbstractContextManager[None]:
        """Raise what is asked here as an OSError that tells an answer from none: see :func:`stores.answered`."""
        ours = self.is_local or hasattr(self.fs, "sessions")
        return contextlib.nullcontext() if ours else stores.answered(self.fs, self.url)

    @property
    def parent(self) -> Location:
        """The folder that it lies in."""
        return replace(self, path=self.path.rpartition("/")[0], url=self.url.rpartition("/")[0])

    def child(self, relative: str) -> Location:
        """Name a file or folder below this one."""
        return replace(
            self, path=f"{self.path.rstrip('/')}/{relative}", url=f"{self.url.rstrip('/')}/{relative}"
        )

    def exists(self) -> bool:
        """Tell whether it is there now, past any cached listing; what is no plain file of its own is not."""
        if self.is_local and self.within is not None:
            try:
                return local.is_plain(local.look_at(self.path, self.within))
            except OSError:
                return False
        self.fs.invalidate_cache()
        with self.answered():
            return bool(self.fs.exists(self.path))

    def stat(self) -> Stat:
        """Ask the storage for size, mtime and etag, past any cached listing.

        Where it tells neither an etag nor an exact time, the etag is a digest of the content, which is read for it.

        :raises FileNotFoundError: nothing is there.
        """
        if self.is_local and self.within is not None:
            found = local.look_at(self.path, self.within)
            return Stat(found.st_size, found.st_mtime, None)
        self.fs.invalidate_cache()
        with self.answered():
            info = self.fs.info(self.path)
        told = Stat.of(info)
        if told.exact or info.get("type") == "directory":
            return told
        return replace(told, etag=self._digest(), exact=True)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        with self.answered(), self.fs.open(self.path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return f"sha256-{digest.hexdigest()}"

    def shares_storage_with(self, other: Location) -> bool:
        """Whether both lie on the same storage, so that one may lie below the other."""
        if type(self.fs) is not type(other.fs):
            return False
        # Of servers that are reached through sessions, each has a name.
        return bool(getattr(self.fs, "server", None) == getattr(other.fs, "server", None))


def _is_name(url: str) -> bool:
    try:
        return b"\0" not in os.fsencode(url)
    except UnicodeEncodeError:
        return False


def _is_on_this_machine(url: str) -> bool:
    return "://" not in url or url.startswith("file://")


def _local_path(url: str) -> str:
    path = os.path.abspath(url.removeprefix("file://"))
    # Two slashes at the beginning are one, and yet are kept by Python, since POSIX would allow another meaning.
    return path[1:] if path.startswith("//") else path


def identity(url: str) -> str:
    """Give one text for all ways to write where a file lies: ``D//f``, ``./D/f`` and ``file://`` with its path.

    It is told by what is written, and nothing is looked at. Keys of an object store may hold two slashes, which make
    another object of them; on a server they are one.
    """
    if _is_on_this_machine(url):
        return _local_path(url)
    scheme, conn_id, rest = parted(url)
    host, _, path = rest.partition("/")
    if scheme in SESSION_SCHEMES:
        path = "/".join(part for part in path.split("/") if part not in ("", "."))
    return f"{scheme}://{conn_id or ''}@{host}/{path.rstrip('/')}"


def locate(url: str) -> Location:
    """Resolve a local path, or any URL that Airflow's ``ObjectStoragePath`` takes.

    :raises BrazeSetupError: a UNC path on a POSIX machine, no path at all, or a storage that no installed provider
        serves.
    """
    network = url.startswith("\\\\") or (url.startswith("//") and not os.path.exists(url))
    if network and os.name == "posix":
        raise BrazeSetupError(
            f"{url} is a Windows network path, which this machine cannot open: "
            "mount the share and give the mounted folder."
        )
    if not _is_name(url):
        raise BrazeSetupError(f"{url!r} is no path: it holds a character that no name can have.")
    if _is_on_this_machine(url):
        path = _local_path(url)
        return Location(fsspec.filesystem("file"), path, path)
    return _remote(url)


def _remote(url: str) -> Location:
    scheme, conn_id, rest = parted(url)
    if scheme in SESSION_SCHEMES:
        path = f"/{rest.partition('/')[2].strip('/')}"
        return Location(session_filesystem(scheme, conn_id), path, url.rstrip("/"))
    if scheme == "az":
        raise BrazeSetupError(f"{url}: Airflow has no az://, write abfs:// instead.")
    # Imported here: a local path must work, and start fast, without Airflow.
    from airflow.sdk import ObjectStoragePath

    try:
        # Named without its connection, which would be read here, and kept for ever.
        path = ObjectStoragePath(f"{scheme}://{rest}").path
        return Location(airflow_filesystem(scheme, conn_id), path, url.rstrip("/"))
    except (ValueError, ImportError) as error:
        raise BrazeSetupError(f"Cannot open {url}: {error}. Install the provider of this storage.") from error
