import subprocess
import sys

import duckdb
import pytest

from embfeast import EmbfeastError
from make_sample import make_sample
from tests.scripts.conftest import ROOT


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "tickets.duckdb"
    make_sample(path, 3_000, 7)
    return path


def ask(path, sql):
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(sample, tmp_path):
    for seed, same in ((7, True), (8, False)):
        other = tmp_path / f"{seed}.duckdb"
        make_sample(other, 3_000, seed)
        for table in ("tickets", "labels", "pairs"):
            rows = ask(other, f"SELECT * FROM {table} ORDER BY ALL")
            assert (rows == ask(sample, f"SELECT * FROM {table} ORDER BY ALL")) is same


def test_it_is_no_toy(sample):
    tickets, texts, topics = ask(
        sample,
        "SELECT count(DISTINCT ticket_id), count(DISTINCT body), "
        "(SELECT count(DISTINCT category) FROM labels) FROM tickets",
    )[0]
    assert tickets == 3_000
    assert texts > 2_900
    assert topics >= 12
    edited, late = ask(
        sample,
        "SELECT count(*) - count(DISTINCT ticket_id), "
        "count(*) FILTER (created_timestamp > event_timestamp + INTERVAL 5 MINUTE) FROM tickets",
    )[0]
    assert 0.11 < edited / 3_000 < 0.17
    assert 0.05 < late / 3_000 < 0.11
    empty, foreign, emoji = ask(
        sample,
        "SELECT count(*) FILTER (body IS NULL OR trim(body) = ''), "
        "count(*) FILTER (regexp_matches(body, '[ぁ-んァ-ン一-龯а-яأ-ي]')), "
        "count(*) FILTER (regexp_matches(body, '[🙂😡🙏🤔😢👍]')) FROM tickets",
    )[0]
    assert 5 < empty < 60
    assert foreign > 20
    assert emoji > 50


def test_one_in_ten_is_longer_than_the_models_window(sample, encoder):
    texts = [row[0] for row in ask(sample, "SELECT body FROM tickets WHERE trim(body) <> ''")]
    lengths = [len(pieces) + 2 for pieces in encoder.pieces(texts)]  # and the special ones
    assert 0.07 < sum(n > 256 for n in lengths) / len(lengths) < 0.13
    assert sum(lengths) / len(lengths) < 80


def test_keys_are_unique_in_time_and_events_are_never_known_too_early(sample):
    twice = ask(
        sample,
        "SELECT count(*) FROM (SELECT 1 FROM tickets GROUP BY ticket_id, event_timestamp "
        "HAVING count(*) > 1)",
    )
    assert twice == [(0,)]
    assert ask(
        sample, "SELECT count(*) FROM tickets WHERE created_timestamp < event_timestamp"
    ) == [(0,)]


def test_duplicates_tell_the_same_incident_and_pairs_hold_both_kinds(sample):
    same, other = ask(
        sample,
        "SELECT count(*) FILTER (is_duplicate), count(*) FILTER (NOT is_duplicate) FROM pairs",
    )[0]
    assert same > 80
    assert 2 * same < other < 3.5 * same
    agree = ask(
        sample,
        "SELECT avg((a.category = b.category)::INT) FROM labels a JOIN labels b "
        "ON a.duplicate_of = b.ticket_id",
    )[0][0]
    assert agree > 0.85, "but for wrong labels"


def test_urgency_is_hard_but_not_arbitrary(sample):
    share = dict(
        ask(sample, "SELECT urgency, count(*) / 3000 FROM labels GROUP BY 1 ORDER BY 2 DESC")
    )
    assert set(share) == {"low", "normal", "high", "critical"}
    assert max(share.values()) < 0.6


def test_the_command_says_what_it_did_and_what_is_wrong(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "make_sample.py")]
    there = ["--database", str(tmp_path / "t.duckdb")]
    good = subprocess.run([*command, *there, "--rows", "60"], capture_output=True, text=True)
    assert good.returncode == 0
    assert "60 tickets in" in good.stdout
    bad = subprocess.run([*command, *there, "--rows", "0"], capture_output=True, text=True)
    assert (bad.returncode, bad.stderr) == (1, "error: --rows must be at least 1, got 0\n")
    with pytest.raises(EmbfeastError, match="cannot be written"):
        make_sample(tmp_path / "t.duckdb" / "below.duckdb", 10)
