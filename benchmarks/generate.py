"""Exports of any size, always the same ones: invented people, written as RPI writes them.

    python -m benchmarks.generate 100000

About 150 bytes a record; half of the lines have qualified values (delimiters, quotes, a few line ends), many are
not ASCII, 8 % of the cells are empty, and 2 % of the records are further ones of a user who came shortly before
(half of them) or anywhere before.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

CHANNEL, OFFER, WORKFLOW_ID, EXECUTION_ID = "Braze Onboarding and Upsert", "Spring Welcome", "8828", 5719

HOME = Path(tempfile.gettempdir()) / "airflow-provider-braze-benchmarks"
"""Where exports are kept between runs."""


def _listed(text: str) -> list[str]:
    return text.split("|")


COLUMNS = (
    "RPContactID,ChannelExecutionID,external_id,first_name,last_name,email,country,dob,gender,home_city,phone,"
    "output_name,education,income,marital_status,zip"
)

_SEED = 20260101
_CITY, _INCOME = 5, 8
"""Which of the columns that are drawn."""

_CHUNK = 10_000
_NEAR = 3_000

_FIRST = _listed(
    "Ana|José|Mary|Zoë|Liam|Noah|Emma|Olivia|Łukasz|Söda|Åse|François|Chloé|Björn|Jürgen|Anne-Marie|さくら|Мария|Νίκος|"
    "Ibrahim|Fatima|Wei|Yusuf|Priya|Arjun|Kofi|Amina|Diego|Lucía|Mateo|Ingrid|Piotr|Siobhán|Aoife|Renée|Đorđe|Tomás|"
    "Eve|Max|Ada|Alan|Grace|Linus|Margaret|Dennis|Barbara|Edsger|Frances|Donald"
)
_LAST = _listed(
    "Smith|Jones|Lefèvre|Müller|García|Żak|佐藤|Иванова|Παππάς|Nguyen|Kim|Lee|Okafor|Mensah|Silva|Fernández|Rossi|"
    "Bianchi|Novák|Kovács|Andersson|Hansen|O'Brien|Murphy|Byrne|Kowalski|Öztürk|Demir|Khan|Patel|Singh|Chen|Wang|"
    'O"Neill|Smith, Jr.|de la Cruz|van der Berg|Mac Donald, Esq.|Håkansson|Dvořák|Schröder|Brontë|Núñez|Fitzgerald'
)
_CITIES = _listed(
    "Boise|New York|Reno|York|München|A Coruña|Łódź|大阪市|Αθήνα|São Paulo|Paris, 11e|Washington, D.C.|Köln|Málaga|"
    'Cork|Winston "Salem"|Zürich|Malmö|Gdańsk|Vancouver, BC|Austin|Denver|Portland, OR|Lyon|Bergen|Porto|Galway|Izmir'
)
_OUTPUTS = _listed(
    "High Value, Spain|All Remaining|Lapsed 6-12m|Loyalty Gold|Loyalty Silver|Prospects|Email Reachable|SMS Reachable|"
    'Spring Sale - Test|"VIP" 2026|Win-back, wave 2|New in 30 days'
)
_COUNTRIES = _listed("US|US|US|US|US|GB|DE|FR|ES|PL|JP|GR|BR|IE|CA|SE|NO|TR|IN|NG")
# A line end inside a value is rare, but there.
_EDUCATION = _listed("Bachelor's|Master of Arts|PhD|Secondary|Trade, certified|None") * 20 + ["Two\nlines"]
_MARITAL = ["Single", "Married", "Divorced", "Widowed", "Domestic partner", "Undisclosed"]


def export(records: int, changed: float = 0.0) -> Path:
    """Give the export of that many records, written once and kept in a temporary folder.

    :param changed: share of the records with another city and income than in the export without.
    """
    # A change of this module changes the exports, so it gives them another home.
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    name = f"{records}-{changed:g}" if changed else str(records)
    path = HOME / version / name / CHANNEL / OFFER / WORKFLOW_ID / f"RPI_Export_{EXECUTION_ID}.txt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{os.getpid()}.part")
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(COLUMNS + "\r\n")
            file.writelines(_chunks(records, changed))
        part.rename(path)
    return path


def _chunks(records: int, changed: float) -> Iterator[str]:
    rng, changes = random.Random(_SEED), random.Random(_SEED + 1)
    pools = [
        _pool(values)
        for values in (
            _FIRST,
            _LAST,
            _COUNTRIES,
            [(date(1940, 1, 1) + timedelta(days=day)).isoformat() for day in range(0, 24_000, 7)],
            ["M", "F"],
            _CITIES,
            _OUTPUTS,
            _EDUCATION,
            [str(income) for income in range(0, 180_000, 250)],
            _MARITAL,
            [f"{code:05d}" for code in range(501, 99_951, 37)],
        )
    ]
    known = 0
    for start in range(0, records, _CHUNK):
        count = min(_CHUNK, records - start)
        users: list[int] = []
        for draw in [rng.random() for _ in range(count)]:
            if draw < 0.02 and known:
                users.append(known - 1 - int(rng.random() * min(known, _NEAR if draw < 0.01 else known)))
            else:
                users.append(known)
                known += 1
        columns = [rng.choices(pool, k=count) for pool in pools]
        if changed:
            for at in [at for at in range(count) if changes.random() < changed]:
                columns[_CITY][at], columns[_INCOME][at] = (
                    "Elsewhere",
                    str(changes.randrange(200_000, 300_000)),
                )
        cells = zip(users, *columns, strict=True)
        yield "".join([_line(*row) for row in cells])


def _line(
    user: int,
    first: str,
    last: str,
    country: str,
    dob: str,
    gender: str,
    city: str,
    output: str,
    education: str,
    income: str,
    marital: str,
    postcode: str,
) -> str:
    remainder = user % 25
    email = "" if remainder in (3, 17) else f"contact.{user * 7919 % 1_000_003}.{user}@example.com"
    phone = "" if remainder in (8, 21) else f"+1555{user:07d}" if remainder % 2 else f"0033{user:09d}"
    return (
        f"{1_000_000_000 + user},{EXECUTION_ID},C{user:09d},{first},{last},{email},{country},{dob},{gender},{city},"
        f"{phone},{output},{education},{income},{marital},{postcode}\r\n"
    )


def _pool(values: list[str]) -> list[str]:
    """Write the values as cells, and add so many empty ones that 8 % of the pool are."""
    cells = [_cell(value) for value in values]
    return cells * 23 + [""] * (2 * len(cells))


def _cell(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(mark in value for mark in ',"\n') else value


def main() -> None:
    """Generate from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("records", type=int)
    print(export(parser.parse_args().records))


if __name__ == "__main__":
    main()
