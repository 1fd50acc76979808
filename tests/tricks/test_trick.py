"""What holds for every trick on vectors."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from embfeast.tricks import (
    AnchorSimilarity,
    ClusterFeatures,
    EmbeddingReducer,
    FeatureSynthesizer,
    PairInteraction,
    Whitener,
)
from embfeast.tricks.trick import identifier

TRICKS = [
    AnchorSimilarity(5),
    EmbeddingReducer(16),
    EmbeddingReducer(16, method="truncated_svd"),
    ClusterFeatures(4),
    ClusterFeatures(method="dbscan", eps=1.1),
    PairInteraction(),
    PairInteraction(n_components=8),
    PairInteraction(order_free=True),
    Whitener(),
    Whitener("pca", n_components=32, strength=1.0),
    FeatureSynthesizer(6),
]


@parametrize_with_checks(
    [
        AnchorSimilarity(1),
        EmbeddingReducer(2),
        ClusterFeatures(2),
        Whitener(),
        FeatureSynthesizer(2),
    ]
)
def test_scikit_learn_estimator_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # capped components, on its tiny data
        check(estimator)


@pytest.fixture(params=TRICKS, ids=lambda t: repr(t)[:60])
def trick(request):
    return clone(request.param)


def test_a_row_has_the_same_bits_alone_and_in_a_batch(trick, X):
    together = trick.fit(X).transform(X)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for row in [0, 1, 63, 64, 599]:
        assert np.array_equal(trick.transform(X[row : row + 1])[0], together[row])
    assert np.array_equal(trick.transform(X[::-1]), together[::-1])


def test_state_is_plain_and_restores_the_same_bits(trick, X):
    expected = trick.fit(X).transform(X[:50])
    state = {k: v for k, v in vars(trick).items() if k.endswith("_")}
    copy = clone(trick)
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "fiub", f"{name} is {value.dtype}"
        else:
            json.dumps(value)
        setattr(copy, name, value)
    assert np.array_equal(copy.transform(X[:50]), expected)
    assert copy.get_feature_names_out().tolist() == trick.get_feature_names_out().tolist()


def test_names_are_identifiers_one_a_column_and_distinct(trick, X):
    names = trick.fit(X).get_feature_names_out().tolist()
    assert len(names) == trick.transform(X[:2]).shape[1] == len(set(names))
    assert all(name.isidentifier() for name in names)


def test_fitting_twice_gives_the_same_bits(trick, X):
    assert np.array_equal(trick.fit(X).transform(X), clone(trick).fit(X).transform(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_named_columns(trick, X, library):
    pytest.importorskip(library)
    frame = trick.set_output(transform=library).fit(X).transform(X[:3])
    assert list(frame.columns) == trick.get_feature_names_out().tolist()


def test_another_process_fits_the_same_bits():
    code = (
        "import sys; sys.path.insert(0, 'tests/tricks'); import hashlib;"
        "from conftest import embedding_like; from test_trick import TRICKS;"
        "X = embedding_like(300);"
        "print([hashlib.sha256(t.fit(X).transform(X).tobytes()).hexdigest() for t in TRICKS])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def test_tricks_chain_in_a_pipeline(X):
    chain = make_pipeline(Whitener(), EmbeddingReducer(8), ClusterFeatures(3))
    assert chain.fit_transform(X).shape == (600, 4)


def test_names_become_identifiers():
    assert identifier(" Login / Password?! ") == "login_password"
