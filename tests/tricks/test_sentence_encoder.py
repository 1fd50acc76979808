import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from embfeast import EmbfeastError, counts
from embfeast.encoding import ModelSettings
from embfeast.tricks import (
    AnchorSimilarity,
    ClusterFeatures,
    EmbeddingReducer,
    FeatureSynthesizer,
    LabelledNeighbours,
    PairInteraction,
    SentenceEncoder,
    Whitener,
)

ORDERS = [f"My parcel {number} is late." for number in range(8)]
BILLS = [f"I was charged {number} euros twice." for number in range(8)]
TEXTS = ORDERS + BILLS
LABELS = ["order"] * 8 + ["bill"] * 8


def test_vectors_and_names_are_the_encoders(encoder):
    step = SentenceEncoder()
    made = step.fit_transform(TEXTS)
    assert made.dtype == np.float32
    assert np.array_equal(made, encoder.encode(TEXTS))
    assert list(step.get_feature_names_out()[[0, -1]]) == ["embedding_000", "embedding_383"]


@pytest.mark.parametrize(
    "table",
    [
        pd.Series(TEXTS, index=range(90, 106)),
        pd.DataFrame({"body": TEXTS}),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object)[:, None],
        tuple(TEXTS),
    ],
    ids=["series", "table", "array", "column", "tuple"],
)
def test_a_column_of_texts_is_taken_however_it_comes(table, encoder):
    assert np.array_equal(SentenceEncoder().transform(table), encoder.encode(TEXTS))


@pytest.mark.parametrize(
    "model",
    [
        {"prompt": "ticket: ", "truncate_dim": 8},
        ModelSettings(prompt="ticket: ", truncate_dim=8),
    ],
    ids=["mapping", "settings"],
)
def test_a_model_may_be_what_a_recipe_says_and_survives_a_clone_and_a_pickle(model):
    step = SentenceEncoder(model).fit(TEXTS)
    made = step.transform(TEXTS)
    assert made.shape == (16, 8)
    assert clone(step).get_params() == step.get_params()
    again = pickle.loads(pickle.dumps(step))
    assert np.array_equal(again.transform(TEXTS), made)


def test_a_pipeline_gives_named_columns_with_the_index_of_the_rows():
    steps = make_pipeline(SentenceEncoder(), EmbeddingReducer(3)).set_output(transform="pandas")
    made = steps.fit_transform(pd.Series(TEXTS, index=range(90, 106)))
    assert list(made.columns) == ["component_00", "component_01", "component_02"]
    assert list(made.index) == list(range(90, 106))


def test_it_stands_beside_other_columns_in_a_search_that_encodes_each_text_once(tmp_path):
    table = pd.DataFrame({"body": TEXTS, "size": range(16)})
    text = make_pipeline(SentenceEncoder(cache=str(tmp_path)), EmbeddingReducer(4))
    columns = ColumnTransformer([("text", text, "body"), ("rest", "passthrough", ["size"])])
    steps = make_pipeline(columns, LogisticRegression())
    where = "columntransformer__text__"
    grid = {
        f"{where}embeddingreducer__n_components": [2, 4],
        f"{where}sentenceencoder__model": ["all-MiniLM-L6-v2"],
    }
    before = counts.totals()["texts_encoded"]
    search = GridSearchCV(steps, grid, cv=2).fit(table, LABELS)
    assert counts.totals()["texts_encoded"] - before == len(TEXTS)
    assert search.score(table, LABELS) == 1.0
    assert "text__component_01" in search.best_estimator_[0].get_feature_names_out()


@pytest.mark.parametrize("texts", [TEXTS, np.array(TEXTS, dtype=object)[:, None], ["1", "2"]])
@pytest.mark.parametrize(
    "trick",
    [
        AnchorSimilarity(2),
        ClusterFeatures(2),
        EmbeddingReducer(2),
        FeatureSynthesizer(2),
        LabelledNeighbours(2),
        PairInteraction(),
        Whitener(),
    ],
    ids=lambda trick: type(trick).__name__,
)
def test_a_trick_that_is_given_texts_says_to_encode_first(trick, texts):
    name = type(trick).__name__
    with pytest.raises(EmbfeastError, match=rf"make_pipeline\(SentenceEncoder\(\), {name}"):
        clone(trick).fit(texts)
    with pytest.raises(EmbfeastError, match="encode first"):
        clone(trick).fit(np.eye(40, 16, dtype=np.float32), [0, 1] * 20).transform(texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one string", "takes a list of texts"),
        (["a", None], "text 1 is missing"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "one column of texts, got 2"),
        ([], "there are no texts"),
    ],
)
def test_what_is_no_column_of_texts_is_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        SentenceEncoder().transform(texts)
    with pytest.raises(EmbfeastError, match="did you mean 'truncate_dim'"):
        SentenceEncoder({"truncate_dims": 3}).fit(TEXTS)
