"""Where the tab's pages are, below whatever path Airflow is served at."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow.configuration import conf

PREFIX = "/braze"


def root_path() -> str:
    """Path that Airflow is served below, without a slash at the end: empty, or such as ``/team-a``."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def pages() -> str:
    """Path that the tab's own pages are below."""
    return f"{root_path()}{PREFIX}"


def quoted(part: str) -> str:
    """Write a name as one part of an address."""
    return quote(part, safe="")
