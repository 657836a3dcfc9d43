"""The documentation as a reader sees it: built, and opened in a window of 1280 pixels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTH = 1280

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

# A block of code that scrolls, and a line of code that is wrapped because it does not fit: long output may be wrapped.
MISFITS = """() => [...document.querySelectorAll("pre code")].flatMap(code => {
  const style = getComputedStyle(code)
  const pen = document.createElement("canvas").getContext("2d")
  pen.font = `${style.fontSize} ${style.fontFamily}`
  const room = code.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
  const isCode = code.closest(".language-python, .language-bash, .language-json, .language-csv")
  const long = code.innerText.split("\\n").filter(line => pen.measureText(line).width > room)
  return code.scrollWidth > code.clientWidth ? [`scrolls: ${code.innerText.slice(0, 80)}`] : isCode ? long : []
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_code_fits_and_no_picture_is_missing(site: Path, browser: Browser) -> None:
    window = browser.new_page(viewport={"width": WIDTH, "height": 900})
    found: dict[str, list[str]] = {}
    for page in PAGES:
        window.goto((site / page.with_suffix(".html").name).as_uri())
        missing = window.evaluate(
            "[...document.images].filter(each => !each.complete || !each.naturalWidth).map(each => each.src)"
        )
        wide = [f"the page is {extra} px too wide"] if (extra := window.evaluate(TOO_WIDE)) > 0 else []
        if wrong := [*window.evaluate(MISFITS), *missing, *wide]:
            found[page.name] = wrong

    window.close()
    assert found == {}
