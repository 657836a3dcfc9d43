"""The memory in a dry run: as it is now, and from then on as the push would change it, which nobody else ever sees.

A push whose exports name the same people changes for the later ones what is known of them: a value that the first
changes has to be sent again where the second changes it back. So what a dry run has priced counts as accepted by Braze
in all that it prices after that.

Above: dry runs. Below: the memory, and where it is kept.
"""

from __future__ import annotations

from airflow_provider_braze.memory.bucket import Bucket
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.opening import belongs_to, number_of
from airflow_provider_braze.memory.persistence.opened import DAMAGED, Closable, close_all
from airflow_provider_braze.memory.persistence.overlay import Overlay
from airflow_provider_braze.memory.persistence.place import bucket_folder, exists, glimpse_of, is_believed
from airflow_provider_braze.memory.persistence.store import MemoryStore
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.users_track.transport.workspace import Workspace


class _Preview:
    """A bucket in a dry run, which stays open for what is to be priced next.

    :param store: its file, or a new one, in which nothing changes that anybody else sees.
    :param held: what is closed at the end.
    """

    is_guest = False

    def __init__(self, store: MemoryStore, held: Closable) -> None:
        self.store, self.held = store, held
        self.is_believed = True

    def is_met(self) -> bool:
        """Tell nothing: whoever only looks needs not know."""
        return False

    def disbelieve(self) -> None:
        """Believe it no longer: what could not be written is not known to what is priced from here on."""
        self.is_believed = False

    def close(self) -> None:
        """Keep it for what is priced next."""


class Previews:
    """
    The memories that one dry run looks at, each bucket opened when the first user of it comes.

    :param several: more than one push is priced, so that what the first would begin is of use to the next.
    """

    def __init__(self, *, several: bool = False) -> None:
        self._several = several
        self._opened: dict[str, _Preview | None] = {}

    def memory(self, folder: Location, wish: Wish, workspace: Workspace | None, token: str) -> Memory | None:
        """Give a memory to price one push with; whoever uses it is not disturbed, and nothing in it changes.

        :param folder: of the memory.
        :param workspace: whose it has to be (default: not asked).
        :param token: names the push; no other that is priced here has the same.
        :return: None where there is none.
        """
        if not wish.only_changed or not (self._several or exists(folder)):
            return None

        def opens(bucket: int) -> Bucket | None:
            place = self._preview(folder, bucket, workspace)
            if place is None or not place.is_believed:
                return None
            return Bucket(place, wish, number_of(token), lambda _: None)

        return Memory(opens)

    def _preview(self, folder: Location, bucket: int, workspace: Workspace | None) -> _Preview | None:
        url = bucket_folder(folder, bucket).url
        if url not in self._opened:
            found = _kept(folder, bucket, workspace)
            if found is None and self._several:
                found = self._begun()
            self._opened[url] = found
        return self._opened[url]

    def _begun(self) -> _Preview | None:
        """Begin a bucket as a push would; None where there is no room for it."""
        first = next(filter(None, self._opened.values()), None)
        try:
            store = MemoryStore("", synchronous="OFF")
            store.begin({}, None if first is None else first.store)
        except DAMAGED:
            return None
        return _Preview(store, store)

    def close(self) -> None:
        """Close them, and throw away what the dry run would have changed."""
        opened, self._opened = self._opened, {}
        close_all(each.held for each in opened.values() if each is not None)


def _kept(folder: Location, bucket: int, workspace: Workspace | None) -> _Preview | None:
    """Open a bucket that is kept; None where there is none that can be used, or that a push would set aside."""
    glimpse = glimpse_of(folder, bucket, Overlay) if is_believed(folder, bucket) else None
    if glimpse is None:
        return None
    try:
        if workspace is None or belongs_to(workspace, only_read=True)(glimpse.store) is None:
            return _Preview(glimpse.store, glimpse)
    except DAMAGED:
        # It is damaged further in: a push will set it aside.
        pass
    glimpse.close()
    return None
