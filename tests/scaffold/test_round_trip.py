"""From a table to served features with the commands that `init` names."""

import json
import shlex
from contextlib import chdir
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore

from tests.scaffold.conftest import Shell, note

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("error:.*has no time zone"),  # said by init alone
]

ROWS = 40
START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def at(i: int) -> datetime:
    return START + timedelta(hours=6 * i)


def string_keys(shell):
    """String keys, a label of names, revisions."""
    rows = [(f"v-{i % 36}", note(i), ["too_warm", "DirtyFloor"][i % 2], at(i)) for i in range(ROWS)]
    shell.table("visits", "visit_id VARCHAR, note VARCHAR, finding VARCHAR, seen TIMESTAMPTZ", rows)
    return ["--database", "visits.duckdb", "--label", "finding"], {"visit_id": "v-1"}, "visit"


def composite_keys(shell):
    """Two keys, a date instead of a timestamp, no label."""
    rows = [(i % 5, f"{i // 5}", date(2026, 3, 1) + timedelta(i), note(i)) for i in range(ROWS)]
    shell.table("checks", "shop_id INTEGER, check_no VARCHAR, day DATE, remark VARCHAR", rows)
    options = ["--database", "checks.duckdb", "--key", "shop_id", "--key", "check_no"]
    return options, {"shop_id": 1, "check_no": "2"}, "check"


def several_texts(shell):
    """Several text columns, a created time, pairs, a numeric label."""
    rows = [
        (i, note(i)[:30], note(i + 99), i % 5, (i + 7) % ROWS, at(i), at(i) + timedelta(hours=1))
        for i in range(ROWS)
    ]
    shell.table(
        "reports",
        "id BIGINT, title VARCHAR, body VARCHAR, stars INTEGER, other_id BIGINT, "
        "written_at TIMESTAMPTZ, known_at TIMESTAMPTZ",
        rows,
    )
    options = ["--database", "reports.duckdb", "--text", "title", "--text", "body", "--label"]
    options += ["stars", "--created", "known_at", "--pairs", "other_id"]
    return options, {"id": 3}, "report"


def two_texts(shell):
    """Two texts a row, one of them missing in the newest, and what is asked of both."""
    rows = [(i, note(i), note(i + i % 2), i % 2, at(i)) for i in range(ROWS)]
    rows.append((ROWS, note(1), None, 0, at(ROWS)))
    columns = "id BIGINT, left_note VARCHAR, right_note VARCHAR, other BIGINT, asked TIMESTAMPTZ"
    shell.table("notes", columns, rows)
    options = ["--database", "notes.duckdb", "--text", "left_note", "--text", "right_note"]
    return [*options, "--pair", "--label", "other"], {"text_id": "3/left_note"}, "text"


def a_query(shell):
    """A query, naive times."""
    rows = [(i, note(i), at(i).replace(tzinfo=None)) for i in range(ROWS)]
    shell.table("log", "number BIGINT, said VARCHAR, moment TIMESTAMP", rows)
    query = "SELECT number AS call_id,\n  said || ' Over.' AS said,\n  moment FROM log"
    options = ["--database", "log.duckdb", "--query", query, "--name", "call"]
    return options, {"call_id": 3}, "call"


def a_file(shell):
    """A CSV without key or time: numbered rows, one moment for all."""
    frame = pd.DataFrame({"text": [note(i) for i in range(ROWS)], "kind": ["a b", "c d"] * 20})
    frame.to_csv(shell.folder / "Old Notes.csv", index=False)
    options = ["--file", "Old Notes.csv", "--time", "2026-01-01", "--label", "kind"]
    return options, {"row_id": 3}, "old_note"


def several_writers(shell):
    """A column of who wrote the texts: what they wrote before is proposed, stored and served."""
    rows = [(i, note(i), f"user {i % 12}", at(i)) for i in range(ROWS)]
    shell.table("posts", "post_id BIGINT, said VARCHAR, user_name VARCHAR, at_ TIMESTAMPTZ", rows)
    return ["--database", "posts.duckdb"], {"post_id": 30}, "post"


@pytest.fixture(
    params=[
        *(several_writers, string_keys, composite_keys),
        *(several_texts, two_texts, a_query, a_file),
    ]
)
def given(request, shell):
    shell.spawn = request.param is string_keys  # one of them as a user types it
    return (shell, *request.param(shell))


def test_a_table_becomes_served_features(given):
    shell, options, key, name = given
    said = shell("embfeast", "init", "repo", *options, "--yes", "--json")
    planned = json.loads(said[said.index("{") :])
    assert planned["name"] == name
    repo = shell.folder / "repo"
    inside = Shell(repo)
    inside("ruff", "check", "--isolated", ".")
    inside("ruff", "format", "--isolated", "--check", ".")
    for command in planned["next"][:4]:
        answer = shell(*shlex.split(command))
    # The last one looks a text up, or two.
    assert ("\npair: [" if "--pair" in options else "embfeast_status: current") in answer

    store = FeatureStore(repo_path=str(repo))
    service = store.get_feature_service(f"{name}_features")
    rows = pd.DataFrame([key]).assign(event_timestamp=pd.Timestamp("2026-06-01", tz="UTC"))
    trained = store.get_historical_features(rows, service).to_df().iloc[0]
    online = store.get_online_features(service, [key]).to_dict()
    assert online["embfeast_status"] == ["current"]
    for feature in ("embedding", "reduced", "pooled", "cluster"):
        column = next(c for c in trained.index if c.endswith(feature))
        value = trained[column]
        assert online[column][0] == (list(value) if hasattr(value, "__len__") else value)
    if name == "post":
        assert np.expm1(online["history_log_count"][0]).round() == 2
        assert online["history_log_count"][0] == trained["history_log_count"]
        assert planned["next"][4].endswith("--key 'user_name=user 3'")
        fresh = json.loads(shell(*shlex.split(planned["next"][4]), "--json"))
        assert np.expm1(fresh["history_log_count"]).round() == 4
        assert len(fresh["embedding"]) == 384
        assert "no breach" in shell("embfeast", "verify", "--repo", "repo")
    live = store.get_feature_service(f"{name}_live_features")
    fresh = store.get_online_features(live, [{"text": "The oven smelled of gas."}]).to_dict()
    assert len(fresh["embedding"][0]) == 384
    if "--pair" in options:
        readme = (repo / "README.md").read_text()
        code = readme.split("```python\n")[1].split("```")[0]
        with chdir(repo):
            exec(code, made := {})
        trained = made["training_set"]
        assert len(trained) == ROWS + 1
        assert set(trained.columns) >= {"text_id", "other_text_id", "other", "event_timestamp"}
        same = trained["text_id"].str.partition("/")[0].astype(int) % 2 == trained["other"]
        assert same.all()
        assert trained.set_index("text_id")["pair"].drop(f"{ROWS}/left_note").notna().all()
        assert len(made["online"]["pair"][0]) == len(trained["pair"].iloc[0])
        assert planned["next"][3].endswith("text_id=39/left_note --key other_text_id=39/right_note")
    if "--pairs" in options:
        pair = store.get_feature_service(f"{name}_pair_features")
        both = store.get_online_features(pair, [{"id": 3, "other_id": 10}]).to_dict()
        assert len(both["pair"][0]) > 2


@pytest.mark.parametrize("kind", ["UBIGINT", "HUGEINT"])
def test_who_writes_has_no_views_where_the_column_can_be_no_key(shell, kind):
    shell.spawn = False
    rows = [(i, note(i), i % 12, at(i)) for i in range(ROWS)]
    shell.table("posts", f"post_id BIGINT, said VARCHAR, user_id {kind}, at_ TIMESTAMPTZ", rows)
    shell("embfeast", "init", "repo", "--database", "posts.duckdb", "--yes")
    repo = shell.folder / "repo"
    assert "entity: user_id" in (repo / "recipe.yaml").read_text()
    for name in ("entities", "views", "services"):
        text = (repo / f"{name}.py").read_text()
        assert "histor" not in text
        assert "user" not in text
    assert "--text" not in (repo / "README.md").read_text()
