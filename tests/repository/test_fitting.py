import pandas as pd
import pytest

from embfeast import EmbfeastError, Recipe
from embfeast.repository.fitting import fit_on_source
from tests.small_repository import day

SELECTING = Recipe(
    {
        "tricks": {
            "products": {
                "trick": "feature_synthesizer",
                "n_components": 3,
                "select": "l1",
                "n_selected": 2,
            },
            "near": {"trick": "cluster_features", "n_clusters": 2},
        }
    }
)


def labels(last="a"):
    return pd.DataFrame(
        {
            "review_id": range(12),
            "label": [*("ab" * 6)[:11], last],
            "known_at": [day(i) for i in range(11)] + [day(100)],
        }
    )


def fit(repo, **options):
    return fit_on_source(SELECTING, repo.source, repo.path, ["review_id"], **options)


def test_labels_are_joined_by_key_and_obey_the_cutoff(repo):
    fitted = fit(repo, as_of=day(12), labels=labels())
    assert fitted.record.labels == 11  # of 12 texts: one is blank, one has a second revision
    assert fit(repo, as_of=day(12), labels=labels("unseen")).digest == fitted.digest
    assert fit(repo, as_of=day(12), labels=labels().iloc[::-1]).digest == fitted.digest
    changed = labels()
    changed.loc[0, "label"] = "b"
    assert fit(repo, as_of=day(12), labels=changed).digest != fitted.digest


def test_the_previous_fit_is_recorded(repo):
    first = fit(repo, as_of=day(8), labels=labels())
    assert fit(repo, as_of=day(12), labels=labels(), previous=first).record.previous == first.digest


def test_the_cutoff_is_the_moment_before_which_a_share_of_the_rows_lies(repo):
    assert fit(repo, share=0.5, labels=labels()).record.as_of == day(6).isoformat()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"label": "stars"}), "labels lack label"),
        (lambda frame: pd.concat([frame, frame[:2]]), "2 keys twice"),
    ],
)
def test_labels_that_do_not_fit_are_said(repo, change, message):
    with pytest.raises(EmbfeastError, match=message):
        fit(repo, as_of=day(12), labels=change(labels()))


def test_a_source_without_rows_before_the_cutoff_is_said(repo):
    with pytest.raises(EmbfeastError, match="has no rows before"):
        fit(repo, as_of=day(-30))
