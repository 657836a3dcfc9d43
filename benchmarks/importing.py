"""An interpreter that has a module imported, and ends: what memory is measured above."""

from __future__ import annotations

import importlib
import sys

importlib.import_module(sys.argv[1])
