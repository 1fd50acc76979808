"""Two small reports, written once: one of a whole repository, one of hostile texts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embfeast.commands.console import open_repository
from embfeast.encoding import Encoder
from embfeast.report import Wanted, write_report
from embfeast.repository.sources import text_source
from tests.browser import browser, page  # noqa: F401 - fixtures
from tests.report.repositories import EVERY_TRICK, make_repository

SAID = {
    "money": ["I was charged twice", "refund my money", "the fee on my card is wrong"],
    "parcel": ["the parcel is late", "my delivery has not arrived", "where is my order"],
    "login": ["I cannot log in", "the password reset fails", "my account is locked"],
}
HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    '"><svg onload=window.hacked=1>',
    "{{ 98765 * 43210 }} {% for x in y %}",
    "<!--<script> \u2028 line \u2029 separators \\u003c",
    "a" * 20_000,
    "long words " * 3_000,
    "請求書が間違っています 🤷\u200d♀️ \u202eright to left",
    "http://example.com/a.png and javascript:window.hacked=1",
]


def messages(count: int) -> pd.DataFrame:
    """Texts of three kinds over half a year; the last one is blank."""
    kinds = [list(SAID)[i % 3] for i in range(count)]
    texts = [f"{SAID[kind][i // 3 % 3]}, number {i}" for i, kind in enumerate(kinds)]
    texts[-1] = None
    days = pd.to_timedelta(np.linspace(0, 180, count), unit="D").round("s")
    return pd.DataFrame(
        {
            "message_id": range(count),
            "text": texts,
            "topic": ["other" if i % 5 == 0 else kind for i, kind in enumerate(kinds)],
            "written_at": pd.Timestamp("2026-01-05", tz="UTC") + days,
        }
    )


def hostile_messages() -> pd.DataFrame:
    """Texts and labels that try to leave their place, each seen twice."""
    made = messages(2 * len(HOSTILE))
    made["text"] = HOSTILE * 2
    made["topic"] = [f"{text[:60]}</script>" for text in HOSTILE] * 2
    return made


def make_report(repo: Path, out: Path, **wanted) -> Path:
    write_report(open_repository(repo), text_source(repo), out, Wanted(**wanted))
    return out


@pytest.fixture(scope="session")
def whole_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every trick, labels, stored features, and the comparison on the label; a sample of it."""
    folder = tmp_path_factory.mktemp("whole")
    repo = make_repository(folder / "repo", messages(48), EVERY_TRICK, label="topic", applied=True)
    return make_report(repo, folder / "report.html", folds=2, sample=40)


@pytest.fixture(scope="session")
def hostile_report(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    tricks = EVERY_TRICK | {
        "similarity": {"trick": "anchor_similarity", "anchors": {"a": "<b>bold</b>", "b": "late"}}
    }
    repo = make_repository(
        folder / "repo", hostile_messages(), tricks, label="topic", encoder=encoder
    )
    return make_report(repo, folder / "report.html", evaluate=False)
