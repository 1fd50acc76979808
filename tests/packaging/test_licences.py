"""Every package that comes with embfeast may be used beside Apache-2.0, and is on the page."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import licences  # noqa: E402

PERMITTED = re.compile(r"MIT|Apache|BSD|ISC|PSF|Python|Zlib|CC0|BSL|MPL|Mozilla", re.I)
# Weak copyleft, used unchanged and only with an extra.
LESSER = {"psycopg", "psycopg-binary", "psycopg-pool"}


def test_each_part_of_each_licence_is_permitted():
    found = {name: licences.licence(name) for name in licences.installed() - LESSER}
    assert len(found) > 50
    for name, licence in found.items():
        for part in re.split(r" AND | OR ", licence):
            assert PERMITTED.search(part), f"{name}: {licence!r}"
            assert "GPL" not in part, f"{name}: {licence!r}"


def test_what_an_extra_needs_is_found():
    assert licences.installed() >= LESSER
    assert "psycopg" not in licences.installed("embfeast", frozenset())


def test_the_page_lists_what_is_installed():
    assert licences.PAGE.read_text() == licences.page(), "run scripts/licences.py"
