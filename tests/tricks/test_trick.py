"""What holds for every trick on vectors."""

import hashlib
import json
import pickle
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
    EntityHistory,
    FeatureSynthesizer,
    LabelledNeighbours,
    PairInteraction,
    TokenPooler,
    Whitener,
    WordFeatures,
)
from embfeast.tricks.trick import identifier

TRICKS = [
    AnchorSimilarity(5),
    AnchorSimilarity(5, contrast=True),
    EmbeddingReducer(16),
    EmbeddingReducer(16, method="truncated_svd"),
    EmbeddingReducer(0.5, scale=True),
    EmbeddingReducer("parallel"),
    ClusterFeatures(4),
    ClusterFeatures("elbow", outputs=("membership", "margin", "novelty")),
    ClusterFeatures(method="dbscan", eps=1.1),
    ClusterFeatures(method="hdbscan", min_cluster_size=20),
    PairInteraction(),
    PairInteraction(n_components=8),
    PairInteraction(("cosine", "manhattan"), order_free=True),
    Whitener(),
    Whitener("pca", n_components=32, strength=1.0),
    Whitener(shrinkage="auto", drop_top=2),
    FeatureSynthesizer(6),
    FeatureSynthesizer(6, select="variance", n_selected=9),
    FeatureSynthesizer(6, method="count_sketch", width=32),
    FeatureSynthesizer(6, method="nystroem", width=32),
    EntityHistory(windows=(7, None), outputs=("count", "days", "change", "means")),
]

# Checks that cannot apply, each with the reason.
NEEDS_TEXTS = "the check fits numbers or several columns; it takes one column of texts"
ODD_WIDTH = "the check's data has an odd number of columns, which is no pair"


def checks_that_cannot_apply(estimator):
    if isinstance(estimator, PairInteraction):
        names = [
            "check_dict_unchanged",
            "check_dont_overwrite_parameters",
            "check_estimators_dtypes",
            "check_estimators_nan_inf",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_fit2d_1feature",
            "check_fit2d_predict1d",
            "check_fit_score_takes_y",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_pipeline_consistency",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
        ]
        return dict.fromkeys(names, ODD_WIDTH)
    if isinstance(estimator, LabelledNeighbours):
        # scikit-learn says the same of its TargetEncoder.
        own = "fit_transform gives a row what labels of other rows say"
        return {"check_transformer_general": own, "check_transformer_data_not_an_array": own}
    if isinstance(estimator, TokenPooler | WordFeatures):
        names = [
            "check_complex_data",
            "check_dict_unchanged",
            "check_dont_overwrite_parameters",
            "check_dtype_object",
            "check_estimators_dtypes",
            "check_estimators_empty_data_messages",
            "check_estimators_fit_returns_self",
            "check_estimators_nan_inf",
            "check_estimators_overwrite_params",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_fit1d",
            "check_fit2d_1sample",
            "check_fit2d_predict1d",
            "check_fit_check_is_fitted",
            "check_fit_idempotent",
            "check_fit_score_takes_y",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_n_features_in",
            "check_n_features_in_after_fitting",
            "check_pipeline_consistency",
            "check_positive_only_tag_during_fit",
            "check_readonly_memmap_input",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
        ]
        if isinstance(estimator, WordFeatures):
            names[names.index("check_fit1d")] = "check_fit2d_1feature"
        return dict.fromkeys(names, NEEDS_TEXTS)
    return {}


@parametrize_with_checks(
    [
        AnchorSimilarity(),
        AnchorSimilarity(1),
        EmbeddingReducer(2),
        EmbeddingReducer(0.9, method="truncated_svd"),
        EmbeddingReducer(1, method="pls"),
        EmbeddingReducer(1, method="lda"),
        ClusterFeatures(2, outputs=("label", "distances", "membership", "margin", "novelty")),
        PairInteraction(),
        TokenPooler(),
        Whitener("pca"),  # the checks set n_components, which ZCA refuses
        FeatureSynthesizer(2),
        LabelledNeighbours(3, rare=1),
        EntityHistory(),
        WordFeatures(2),
    ],
    expected_failed_checks=checks_that_cannot_apply,
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


@pytest.mark.slow
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


CHUNKED = [
    AnchorSimilarity(6),
    AnchorSimilarity({"late": "the parcel is late"}, contrast=True),
    EmbeddingReducer(16),
    EmbeddingReducer(16, method="truncated_svd"),
    EmbeddingReducer(0.8, scale=True),
    Whitener(),
    Whitener("pca", shrinkage="auto", n_components=20),
    ClusterFeatures(6, outputs=("label", "distances", "novelty")),
]


@pytest.mark.parametrize("trick", CHUNKED, ids=lambda t: repr(t)[:60])
def test_a_fit_in_chunks_agrees_with_the_fit_of_the_whole(trick):
    # Clusters far apart: KMeans then has one answer.
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 384))
    X = centres[rng.integers(6, size=900)] + 0.1 * rng.normal(size=(900, 384))
    X = X.astype(np.float32)
    whole, chunked = clone(trick).fit(X), clone(trick).fit_chunks(lambda: np.array_split(X, 4))
    assert chunked.n_features_in_ == 384
    a, b = whole.transform(X), chunked.transform(X)
    if isinstance(trick, AnchorSimilarity):  # found in another order
        a, b = np.sort(a, axis=1), np.sort(b, axis=1)
    np.testing.assert_allclose(a, b, atol=1e-3 if "distances" in repr(trick) else 1e-4)


@pytest.mark.parametrize(
    ("trick", "message"),
    [
        (PairInteraction(), "PairInteraction cannot be fitted in chunks"),
        (EmbeddingReducer(method="umap"), "UMAP cannot be fitted in chunks"),
        (EmbeddingReducer(method="lda"), "LDA cannot be fitted in chunks"),
        (ClusterFeatures("elbow"), "only KMeans with a given number"),
    ],
)
def test_what_needs_all_rows_at_once_says_so(trick, message, X):
    with pytest.raises(ValueError, match=message):
        trick.fit_chunks(lambda: [X])
    with pytest.raises(ValueError, match="no rows to fit on"):
        Whitener().fit_chunks(lambda: [])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(trick, X, wrong):
    damaged = X.copy()
    damaged[3, 5] = wrong
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        trick.fit(damaged)
    trick.fit(X)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        trick.transform(damaged)


def test_another_width_and_sparse_input_are_refused(trick, X):
    from scipy.sparse import csr_matrix

    trick.fit(X)
    with pytest.raises(ValueError, match="384 features"):
        trick.transform(X[:, :100])
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        trick.transform(csr_matrix(X[:5]))


def test_zero_vectors_and_float64_are_defined(trick, X):
    trick.fit(X)
    made = trick.transform(np.zeros((2, 384)))
    assert np.isfinite(made).all()
    assert np.array_equal(trick.transform(X[:5].astype(np.float64)), trick.transform(X[:5]))


ONE_ROW_IS_ENOUGH = (
    EmbeddingReducer(1),
    Whitener(),
    FeatureSynthesizer(1),
    AnchorSimilarity(1),
    ClusterFeatures(1),
    PairInteraction(),
    PairInteraction(n_components=1),
)


@pytest.mark.parametrize("trick", ONE_ROW_IS_ENOUGH, ids=lambda t: repr(t)[:60])
@pytest.mark.parametrize("rows", [1, 7])
def test_one_row_or_identical_rows_give_a_finite_result(trick, rows, X):
    made = clone(trick).fit(np.repeat(X[:1], rows, axis=0)).transform(X[:3])
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 1e3


def test_a_fitted_trick_travels_to_another_process(X, tmp_path):
    np.save(tmp_path / "X.npy", X[:40])
    for number, trick in enumerate((Whitener(), ClusterFeatures(3), FeatureSynthesizer(3))):
        (tmp_path / f"{number}.pickle").write_bytes(pickle.dumps(trick.fit(X)))
    code = (
        "import sys, pickle, hashlib, numpy as np; from pathlib import Path;"
        "folder = Path(sys.argv[1]); X = np.load(folder / 'X.npy');"
        "files = [folder / f'{i}.pickle' for i in range(3)];"
        "made = [pickle.loads(f.read_bytes()).transform(X) for f in files];"
        "print(hashlib.sha256(b''.join(m.tobytes() for m in made)).hexdigest())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    here = [
        t.fit(X).transform(X[:40]) for t in (Whitener(), ClusterFeatures(3), FeatureSynthesizer(3))
    ]
    expected = hashlib.sha256(b"".join(m.tobytes() for m in here)).hexdigest()
    assert ran.stdout.strip() == expected


def test_settings_are_searched_in_a_grid(X):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    y = X[:, 0] > np.median(X[:, 0])
    chain = make_pipeline(EmbeddingReducer(4), FeatureSynthesizer(None), LogisticRegression())
    search = GridSearchCV(chain, {"embeddingreducer__n_components": [2, 32]}, cv=2).fit(X, y)
    assert search.best_params_ == {"embeddingreducer__n_components": 32}


@pytest.mark.parametrize("trick", TRICKS[::3], ids=repr)
def test_a_trick_shows_itself_in_a_notebook_before_and_after_its_fit(trick, X):
    assert type(trick).__name__ in clone(trick)._repr_html_()
    assert type(trick).__name__ in clone(trick).fit(X)._repr_html_()
