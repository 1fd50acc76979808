"""Feature tables on an S3 server, a process of its own on this machine."""

import os
import random

import pytest

from embfeast import EmbfeastError
from embfeast.tables import coverage
from embfeast.tables.append import Appender
from embfeast.tables.newest_rows import newest_rows
from embfeast.tables.place import Place
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table, ensure_table
from embfeast.tables.upkeep import compact
from tests.object_storage import HUSH, Door, dropping, signalled
from tests.reliability.conftest import ended, processes
from tests.small_repository import day
from tests.tables.conftest import IDENTITY, SCHEMA, content, ids, rows, write_at_once
from tests.tables.writer import ROWS, STEPS, write

pytestmark = pytest.mark.slow
__all__ = ["processes"]  # a fixture


@pytest.fixture
def table(bucket, request):
    return ensure_table(Place(f"{bucket}/{request.node.name}/t"), SCHEMA)[0]


def test_all_that_a_table_does_works_on_object_storage(table):
    assert ensure_table(table.place, SCHEMA)[1] is False
    assert Appender(table, IDENTITY).append(rows(1, 5)) == 5
    late, other = (Appender(Table.open(table.place), IDENTITY) for _ in range(2))
    assert late.append(rows(6, 4)) == 4
    assert other.append(rows(8, 4)) == 2
    assert content(table.reload()).equals(rows(1, 11).combine_chunks())
    count, found = newest_rows(table, ["id"], day(-30_000), day(0))
    assert count == sum(one.num_rows for one in found) == 11
    assert delete_where(table, "id = 3") == 1
    coverage.add(table, (day(0), day(1)))
    before, after = compact(table, kept_hours=0)
    assert after < before
    opened = Table.open(table.place)
    assert ids(opened) == [1, 2, *range(4, 12)]
    assert coverage.read(opened) == [(day(0), day(1))]


def test_writers_at_once_store_every_row_once(table):
    write_at_once(table.place)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://no-such-bucket/t", "bucket does not exist"),
        ("s3://features/nothing", "there is no feature table"),
        ("s3://features/a b", "letters, digits"),
    ],
)
def test_a_place_that_is_not_there_is_named_without_a_secret(bucket, place, message):
    with pytest.raises(EmbfeastError, match=message) as raised:
        Table.open(Place(place))
    assert HUSH not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "AccessDenied", "access was denied; see AWS_ACCESS_KEY_ID and the bucket's policy"),
        (403, "InvalidAccessKeyId", "the access key is unknown; see AWS_ACCESS_KEY_ID"),
        (301, "PermanentRedirect", "the bucket is in another region; see AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region; see AWS_REGION"),
        (404, "NoSuchBucket", "the bucket does not exist; correct its name, or make the bucket"),
    ],
)
def test_no_permission_and_another_region_are_one_clear_error(answering, status, code, message):
    answering(status, code)
    for act in (Table.open, lambda place: ensure_table(place, SCHEMA)):
        with pytest.raises(EmbfeastError, match=message) as raised:
            act(Place("s3://features/t"))
        assert HUSH not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_an_endpoint_that_nobody_answers_is_one_clear_error(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(EmbfeastError, match="its server does not answer; see AWS_ENDPOINT_URL"):
        Table.open(Place("s3://features/t"))


def test_fifty_kills_while_it_adds_joins_and_vacuums_lose_and_repeat_nothing(bucket, processes):
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    step = processes.Value("i", -1)

    def started_anew(number):
        return ensure_table(Place(f"{bucket}/killed/{number}"), SCHEMA)[0]

    def run(table, seconds=None):
        words = (str(table.place), environment, step)
        return ended(processes.Process(target=write, args=words), seconds)

    for warm in ("first", "second"):  # the first one waits for the modules to be imported
        table = started_anew(warm)
        code, whole = run(table)
        assert code == 0
        assert ids(table.reload()) == list(range(ROWS))
    rng, met = random.Random(11), set()
    for number in range(50):
        if number % 10 == 0:  # the others go on where a killed writer has left off
            table, seen = started_anew(number), set()
        code, _ = run(table, rng.uniform(0.05, 0.6) * whole)
        met |= {STEPS[step.value]} if code else set()
        now = ids(table.reload())
        assert len(set(now)) == len(now)
        assert seen <= set(now)
        seen = set(now)
        assert table.damaged() == []
        if number % 10 == 9:
            assert run(table)[0] == 0
            assert ids(table.reload()) == list(range(ROWS))
    assert met == set(STEPS)


def test_a_server_that_goes_away_in_mid_commit_and_comes_back_loses_nothing(table, server):
    """It stops answering for seconds; requests that were under way are answered or sent again."""
    appender = Appender(Table.open(table.place), IDENTITY)
    away = signalled(server.process, "STOP", "CONT")
    commits = append_until_it_ends(appender, away)
    assert ids(table.reload()) == list(range(10 * commits))


def test_a_commit_whose_answer_is_lost_is_stored_once(table, server, monkeypatch):
    """Connections are dropped, also after the server has done what was asked of it."""
    door = Door(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
    appender = Appender(Table.open(table.place), IDENTITY)
    commits = append_until_it_ends(appender, dropping(door))
    door.stop()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert ids(Table.open(table.place)) == list(range(10 * commits))


def append_until_it_ends(appender, trouble):
    """Append ten rows a commit for as long as a process makes trouble; say how often."""
    commits = 0
    while trouble.poll() is None:
        appender.append(rows(10 * commits, 10))
        commits += 1
    assert commits
    return commits
