"""Feature tables on an S3 server, a process of its own on this machine."""

import pytest

from embfeast import EmbfeastError
from embfeast.tables import coverage
from embfeast.tables.append import Appender
from embfeast.tables.newest_rows import newest_rows
from embfeast.tables.place import Place
from embfeast.tables.present_rows import PresentRows
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table, ensure_table
from embfeast.tables.upkeep import compact
from tests.object_storage import HUSH, Door, dropping, signalled
from tests.reliability.conftest import processes
from tests.small_repository import day
from tests.tables.conftest import IDENTITY, SCHEMA, content, ids, rows, write_at_once
from tests.tables.kills import kill_fifty_times

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
    kill_fifty_times(lambda name: Place(f"{bucket}/killed/{name}"), processes)


def test_a_server_that_goes_away_in_mid_commit_and_comes_back_loses_nothing(table, server):
    """It stops answering for seconds; requests that were under way are answered or sent again."""
    away = signalled(server.process, "STOP", "CONT")
    commits, lost = append_until_it_ends(table, away)
    assert ids(table.reload()) == list(range(10 * commits))
    assert not lost


def test_connections_that_are_lost_in_mid_commit_lose_and_repeat_nothing(
    table, server, monkeypatch
):
    """Also after the server has done what was asked; what is refused is tried again by the run."""
    door = Door(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
    commits, lost = append_until_it_ends(Table.open(table.place), dropping(door))
    door.stop()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert ids(Table.open(table.place)) == list(range(10 * commits))
    assert all("; see AWS_ENDPOINT_URL" in error for error in lost)


def append_until_it_ends(table, trouble):
    """Append ten rows a commit for as long as a process makes trouble, as runs one after another.

    Return how many commits there were, and the errors after which they were tried again.
    """
    commits, lost = 0, []
    while trouble.poll() is None:
        chunk = rows(10 * commits, 10)
        try:
            table = Table.open(table.place)
            lacking = PresentRows(table, IDENTITY).lacking(chunk.select(IDENTITY))
            Appender(table, IDENTITY).append(chunk.filter(list(lacking)))
            commits += 1
        except EmbfeastError as error:
            lost.append(str(error))
    assert commits
    return commits, lost
