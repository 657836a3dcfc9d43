"""Unite lines over which a qualified value goes on, where many lines are cut together and it is clear that it does.

``record_scanner`` stands above; below it is the judge. Where it is not clear, ``spanning`` reads one record.
"""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_braze.redpoint.reading.doubt import Judge


class Uniter:
    """Finds such lines and unites them.

    :param strip: takes the line end away.
    :param qualifier: around values; ``""`` where no lines are united.
    """

    def __init__(self, strip: Callable[[str], str], qualifier: str) -> None:
        self._strip = strip
        self._qualifier = qualifier

    def odd(self, texts: list[str]) -> list[int]:
        """Find where a qualified value opens that goes on over the next line, or ends that did."""
        qualifier = self._qualifier
        if not qualifier or qualifier not in "".join(texts):
            return []
        return [at for at, text in enumerate(texts) if qualifier in text and text.count(qualifier) & 1]

    def unite(
        self, lines: list[str], texts: list[str], odd: list[int], starts: list[int], judge: Judge | None
    ) -> list[int]:
        """Unite the texts over which a qualified value goes on; give where each of them starts, and the end."""
        pairs = [*zip(odd[::2], odd[1::2], strict=False)]
        # Where the last goes on beyond these lines, or it is not clear whether it is a value at all, no more are read.
        if len(pairs) < len(odd) / 2:
            pairs.append((odd[-1], len(texts)))
        for at, (opened, closed) in enumerate(pairs):
            goes_on = closed < len(texts)
            if not goes_on or not (judge is None or judge.surely_goes_on(texts[opened : closed + 1])):
                del texts[opened:], starts[opened + 1 :], pairs[at:]
                break
        for opened, closed in reversed(pairs):
            whole = "".join(lines[opened : closed + 1])
            texts[opened : closed + 1] = [self._strip(whole)]
            del starts[opened + 1 : closed + 1]
        return starts
