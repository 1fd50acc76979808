import numpy as np
import pyarrow as pa
import pytest
from feast import Entity, ValueType

from embfeast import EmbfeastError, FittedRecipe, Recipe
from embfeast.plugin import DuckDBSource, feature_views, live_view
from embfeast.tricks import EntityHistory

TEXTS = ["I was charged twice", "  ", "Where is my parcel?", "Login fails", "It is late again"]
TIMES = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3, 4, 5)]
WRITERS = ["ann", "ann", "ann", "bob", "ann"]
RECIPE = Recipe(
    {
        "tricks": {
            "embedding": {"trick": "embedding"},
            "history": {"trick": "entity_history", "entity": "writer", "outputs": ["count"]},
            "near": {
                "trick": "entity_history",
                "entity": "writer",
                "outputs": ["similarity"],
                "windows": [None],
                "prefix": "w_",
            },
        }
    }
)


@pytest.fixture
def fitted(encoder):
    return RECIPE.fit(TEXTS, timestamps=TIMES, entities={"writer": WRITERS}, encoder=encoder)


def test_an_entry_sees_what_its_entity_wrote_before_and_a_blank_text_is_nothing(fitted, encoder):
    made = fitted.transform(TEXTS, times=TIMES, entities=pa.table({"writer": WRITERS}))
    counts = made["history_log_count"].to_pylist()
    assert counts[1] is None
    assert np.expm1([counts[0], *counts[2:]]).round().tolist() == [0, 1, 0, 2]
    there = [0, 2, 3, 4]
    alone = EntityHistory(windows=(None,), outputs=("similarity",)).fit_transform(
        encoder.encode([TEXTS[i] for i in there]),
        entities=[WRITERS[i] for i in there],
        times=[TIMES[i] for i in there],
    )
    named = made["w_history_similarity"].take(pa.array(there)).to_pylist()
    assert np.array_equal(np.float32(named), alone[:, -1])


def test_it_is_saved_without_anybodys_texts(fitted, tmp_path):
    fitted.save(tmp_path / "fitted")
    again = FittedRecipe.load(tmp_path / "fitted")
    told = {"times": TIMES, "entities": {"writer": WRITERS}}
    assert again.transform(TEXTS, **told).equals(fitted.transform(TEXTS, **told))
    assert {key for key in vars(fitted.tricks["history"]) if key.endswith("_")} == {
        "n_features_in_"
    }


def test_texts_of_nobody_are_refused_rather_than_given_no_past(fitted, encoder):
    with pytest.raises(EmbfeastError, match="column 'writer'"):
        fitted.transform(TEXTS, times=TIMES)
    with pytest.raises(EmbfeastError, match="give times"):
        fitted.transform(TEXTS, entities={"writer": WRITERS})
    with pytest.raises(EmbfeastError, match="column 'writer'"):
        fitted.values(TEXTS[:1])
    with pytest.raises(EmbfeastError, match="recipe entry 'history'"):
        RECIPE.fit(TEXTS, timestamps=TIMES, encoder=encoder)
    with pytest.raises(EmbfeastError, match="4 entities 'writer' for 5 texts"):
        RECIPE.fit(TEXTS, timestamps=TIMES, entities={"writer": WRITERS[1:]}, encoder=encoder)


def test_views_are_made_of_it_and_a_text_in_a_request_is_refused(fitted):
    source = DuckDBSource(
        name="notes", database="notes.duckdb", table="notes", text_columns="body",
        timestamp_field="at",
    )  # fmt: skip
    note = Entity(name="note", join_keys=["note_id"], value_type=ValueType.INT64)
    views = feature_views(fitted, source=source, entity=note)
    assert list(views) == ["note_text", "note_embedding", "note_history", "note_near"]
    assert views["note_history"].tags["embfeast.entity"] == "writer"
    live = live_view(fitted, name="note")["note_live"]
    assert [field.name for field in live.features] == ["embedding", "note_live_digest"]
    with pytest.raises(EmbfeastError, match="entry 'near' reads what an entity wrote before"):
        live_view(fitted, name="note", entries=["near"])
