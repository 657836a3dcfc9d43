"""Count the functions and files of the package that a push of one record enters: a thermometer of how much one has to
read to follow it, and not a game.

    python -m benchmarks.entered EXPORT

Traced from the operator's ``execute``, in all threads; comprehensions belong to the function in which they are.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

import airflow_provider_braze
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator

_PACKAGE = str(Path(airflow_provider_braze.__file__).parent)
_WITHIN_FUNCTIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def main() -> None:
    """Push once, and print what was entered."""
    logging.disable(logging.INFO)
    entered: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_PACKAGE):
            entered.add((code.co_filename, code.co_qualname))

    with tempfile.TemporaryDirectory() as reports:
        operator = BrazeUserTrackOperator(task_id="entered", export=sys.argv[1], reports_path=reports)
        threading.setprofile(note)
        sys.setprofile(note)
        report = operator.execute({})
        sys.setprofile(None)
        threading.setprofile(None)
    assert report["status"] == "complete", report
    functions = {name for name in entered if not name[1].endswith((*_WITHIN_FUNCTIONS, "<module>"))}
    files = {file for file, _ in functions}
    print(json.dumps({"functions": len(functions), "files": len(files), "records": report["records"]}))


if __name__ == "__main__":
    main()
