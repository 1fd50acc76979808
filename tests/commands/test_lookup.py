import json
import re

import duckdb
import pytest

from tests.commands.conftest import fails, run

pytestmark = pytest.mark.slow

KEY = ["--key", "shop=north", "--key", "number=3"]


@pytest.fixture
def stored(applied):
    run("materialize", "--repo", applied)
    return applied


def test_a_stored_text_and_the_same_text_in_a_request_have_the_same_features(stored):
    kept = json.loads(run("lookup", "--repo", stored, *KEY, "--json").stdout)
    text = ["--text", "The bill was wrong, said guest 3"]
    made = json.loads(run("lookup", "--repo", stored, *text, "--json").stdout)
    features = {"reduced", "cluster", "distance_00", "distance_01"}
    said = {"embfeast_text", "embfeast_status"}
    assert [*kept] == ["embfeast_text", *sorted(kept.keys() - said), "embfeast_status"]
    assert kept["embfeast_text"] == "The bill was wrong, said guest 3"
    assert "embfeast_text" not in made
    assert features <= set(kept)
    assert {name: kept[name] for name in features} == {name: made[name] for name in features}
    assert kept["embfeast_status"] == made["embfeast_status"] == "current"


def test_people_see_short_numbers_and_one_digest_of_the_recipe_once(stored):
    said = run("lookup", "--repo", stored, *KEY).stdout.splitlines()
    assert "_digest" not in " ".join(said)
    assert re.fullmatch(r"recipe: [0-9a-f]{12}", said[-2])
    assert re.fullmatch(r"distance_00: \d\.\d{3,7}", next(o for o in said if "distance_00" in o))


def test_of_several_services_the_one_with_most_views_is_asked_unless_one_is_named(stored):
    assert "reduced: [" in run("lookup", "--repo", stored, *KEY).stdout
    said = run("lookup", "--repo", stored, *KEY, "--service", "one").stdout
    assert "cluster: " in said
    assert "reduced" not in said
    assert said.strip().endswith("embfeast_status: current")


@pytest.mark.parametrize(("width", "shown"), [(25, "The bill was wrong…"), (99, "said guest 3")])
def test_people_see_the_text_in_one_line(stored, monkeypatch, width, shown):
    monkeypatch.setenv("COLUMNS", str(width))
    first = run("lookup", "--repo", stored, *KEY).stdout.splitlines()[0]
    assert first.startswith("text: The bill")
    assert first.endswith(shown)


def test_a_text_that_is_gone_or_cannot_be_read_is_said_and_its_features_are_shown(stored):
    with duckdb.connect(str(stored / "reviews.duckdb")) as connection:
        connection.execute("DELETE FROM reviews WHERE shop = 'north' AND number = 3")
    said = run("lookup", "--repo", stored, *KEY).stdout
    assert said.startswith("text: (gone from the source)\n")
    assert "reduced: [" in said
    assert (
        json.loads(run("lookup", "--repo", stored, *KEY, "--json").stdout)["embfeast_text"] is None
    )
    similar = ["similar", "review_reduced", "--repo", stored, "--text", "The bill was wrong"]
    assert "(gone from the source)" in run(*similar, "-k", "20").stdout
    (stored / "reviews.duckdb").unlink()
    said = run("lookup", "--repo", stored, *KEY).stdout
    assert said.startswith("text: not shown, text database")
    assert "reduced: [" in said
    said = run(*similar).stdout
    assert "number" in said
    assert "no texts are shown: text database" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --key name=value, or --text"),
        ([*KEY, "--text", "both"], "no feature service takes number, shop, text: asked needs text"),
        (["--key", "number"], "give name=value once a key"),
        (["--key", "number=1", "--key", "number=2"], "give name=value once a key"),
        (["--key", "number=1"], "no feature service takes number: asked needs text; one needs"),
        (["--key", "shop=north", "--key", "number=x"], "key number is a whole number, got 'x'"),
        (["--key", "shop=north", "--key", "number=99"], "has no features in the online store"),
        (["--text", "  "], "is missing or blank"),
        ([*KEY, "--service", "two"], "no feature service 'two'; there are"),
        ([*KEY, "--service", "asked"], "asked needs text"),
    ],
)
def test_a_mistake_is_said(stored, options, message):
    assert message in fails("lookup", "--repo", stored, *options)


def test_many_numbered_columns_are_said_in_one_line():
    from embfeast.commands.lookup import _with_one_line_a_row

    few = {"cluster": 1, "distance_00": 0.1, "distance_01": 0.2}
    assert _with_one_line_a_row(few) == few
    many = {f"distance_{place:02d}": place / 10 for place in range(12)}
    said = _with_one_line_a_row({"cluster": 1} | many | {"embedding": [0.5]})
    assert said == {
        "cluster": 1,
        "distance_00 to distance_11": list(many.values()),
        "embedding": [0.5],
    }
