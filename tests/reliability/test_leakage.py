"""Nothing at or after the cutoff has any say."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embfeast import Encoder, Recipe

pytestmark = pytest.mark.slow

START = pd.Timestamp("2026-01-01", tz="UTC")
RECIPE = Recipe(
    {
        "tricks": {
            "similarity": {"trick": "anchor_similarity", "anchors": 2, "contrast": True},
            "reduced": {"trick": "embedding_reducer", "n_components": 0.8},
            "near": {"trick": "cluster_features", "n_clusters": 2, "outputs": ["novelty"]},
            "whitened": {"trick": "whitener", "shrinkage": "auto"},
            "weighted": {"trick": "token_pooler", "pooling": ["weighted", "key_tokens"]},
            "products": {
                "trick": "feature_synthesizer",
                "n_components": 3,
                "select": "l1",
                "n_selected": 2,
            },
            "pair": {"trick": "pair_interaction", "n_components": 2},
        }
    }
)
EARLY = [
    ("I was charged twice", "money"),
    ("refund my order please", "money"),
    ("the invoice is wrong", "money"),
    ("the app crashes at start", "bug"),
    ("an error after the update", "bug"),
    ("the page does not load", "bug"),
    ("where is my parcel", "parcel"),
    ("the delivery is late", "parcel"),
]
CUTOFF = START + pd.Timedelta(days=len(EARLY))
_memo: dict[str, object] = {}

late_rows = st.lists(
    st.tuples(
        st.sampled_from(["a new topic", "refund", "", None, "the parcel again", "x" * 300]),
        st.sampled_from(["money", "bug", "unseen", None]),
        st.integers(0, 30),  # days after the cutoff that it became true, or known
        st.booleans(),  # true before the cutoff already, and known only afterwards
    ),
    max_size=6,
)


def fit(later):
    encoder = _memo.setdefault("encoder", Encoder())
    texts = [text for text, _ in EARLY] + [row[0] for row in later]
    labels = [label for _, label in EARLY] + [row[1] for row in later]
    events = [START + pd.Timedelta(days=i) for i in range(len(EARLY))]
    events += [START if row[3] else CUTOFF + pd.Timedelta(days=row[2]) for row in later]
    known = events[: len(EARLY)] + [CUTOFF + pd.Timedelta(days=row[2]) for row in later]
    return RECIPE.fit(
        texts,
        timestamps=events,
        created_timestamps=known,
        as_of=CUTOFF,
        labels=labels,
        label_timestamps=known,
        encoder=encoder,
    )


@given(late_rows, st.randoms())
@settings(max_examples=20, deadline=None)
def test_later_rows_change_no_digest_and_no_feature_of_an_earlier_row(later, random):
    shuffled = list(later)
    random.shuffle(shuffled)
    alone = _memo.setdefault("alone", fit([]))
    beside = fit(shuffled)
    assert beside.digest == alone.digest
    texts = [text for text, _ in EARLY]
    first = _memo.setdefault("features", alone.transform(texts))
    assert beside.transform(texts) == first
