import random
import subprocess
import sys

import pandas as pd
import pytest

from embfeast import EmbfeastError, Encoder, Recipe

DAY = pd.Timestamp("2026-01-01", tz="UTC")


def days(count):
    return [DAY + pd.Timedelta(days=i) for i in range(count)]


def test_the_same_rows_give_the_same_digest_in_any_order(recipe, texts):
    rows = list(zip(texts, days(len(texts)), strict=True))
    first = recipe.fit(texts, timestamps=days(len(texts)))
    random.Random(1).shuffle(rows)
    again = recipe.fit([t for t, _ in rows], timestamps=[d for _, d in rows])
    assert again.digest == first.digest


def test_another_process_gives_the_same_digest(fitted, texts):
    code = (
        "from embfeast import Recipe; import sys, json;"
        "given = json.loads(sys.stdin.read());"
        "print(Recipe(given['settings']).fit(given['texts']).digest)"
    )
    import json

    given = json.dumps({"settings": fitted.settings.model_dump(mode="json"), "texts": texts})
    ran = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == fitted.digest


def test_rows_at_or_after_as_of_change_nothing(recipe, texts):
    times, as_of = days(len(texts)), DAY + pd.Timedelta(days=6)
    first = recipe.fit(texts, timestamps=times, as_of=as_of)
    changed = [*texts[:6], *(f"other {i}" for i in range(8))]
    later = [*times[:6], *(as_of + pd.Timedelta(days=i) for i in range(8))]
    second = recipe.fit(changed, timestamps=later, as_of=as_of)
    assert second.digest == first.digest
    assert first.record.rows == 6
    assert first.record.as_of == as_of.isoformat()
    assert first.record.last_event == times[5].isoformat()


def test_a_text_known_only_after_as_of_is_not_read(recipe, texts):
    times = days(len(texts))
    created = [*times[:-1], DAY + pd.Timedelta(days=400)]
    as_of = DAY + pd.Timedelta(days=300)
    fitted = recipe.fit(texts, timestamps=times, created_timestamps=created, as_of=as_of)
    assert fitted.record.rows == len(texts) - 1


def test_every_text_read_counts_in_the_digest(recipe, fitted, texts):
    assert recipe.fit([*texts[:-1], texts[-1] + "!"]).digest != fitted.digest


def test_settings_count_in_the_digest(fitted, texts):
    settings = fitted.settings.model_dump(mode="json")
    settings["tricks"]["cluster"]["settings"]["n_clusters"] = 4
    assert Recipe(settings).fit(texts).digest != fitted.digest


def test_missing_and_blank_texts_are_left_out_and_counted(recipe, fitted, texts):
    with_gaps = recipe.fit([None, *texts, "", "  \n", float("nan")])
    assert with_gaps.record.missing == 4
    assert with_gaps.record.rows_digest == fitted.record.rows_digest


def test_no_more_than_fit_rows_are_read_and_always_the_same(fitted, texts):
    settings = fitted.settings.model_dump(mode="json") | {"fit_rows": 7}
    one, two = Recipe(settings).fit(texts), Recipe(settings).fit(texts[::-1])
    assert one.record.rows == 7
    assert one.digest == two.digest


def test_given_pairs_are_used_and_later_ones_left_out(recipe, texts):
    times, as_of = days(len(texts)), DAY + pd.Timedelta(days=8)
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7), (1, 9)]
    first = recipe.fit(texts, timestamps=times, as_of=as_of, pairs=pairs)
    second = recipe.fit(texts, timestamps=times, as_of=as_of, pairs=pairs[:-1])
    default = recipe.fit(texts, timestamps=times, as_of=as_of)
    assert first.digest == second.digest != default.digest


@pytest.mark.filterwarnings("ignore:EmbeddingReducer")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": []}, "no text to fit on"),
        ({"texts": [None, " "]}, "2 rows, none with a text"),
        ({"texts": "one text"}, "takes a list"),
        ({"texts": ["a"], "as_of": DAY}, "as_of needs timestamps"),
        ({"texts": ["a"], "timestamps": days(2)}, "2 values for 1 texts"),
        ({"texts": ["a"], "timestamps": [DAY], "as_of": DAY}, "none with a text before 2026-01-01"),
        ({"texts": ["a", "b"]}, r"entry 'cluster' \(cluster_features\).*2.*3"),
    ],
)
def test_what_cannot_be_fitted_is_said(recipe, arguments, message):
    with pytest.raises(EmbfeastError, match=message):
        recipe.fit(**arguments)


def test_naive_and_zoned_times_are_the_same_moment(recipe, texts):
    zoned = [t.tz_convert("Asia/Tokyo") for t in days(len(texts))]
    naive = [t.tz_localize(None) for t in days(len(texts))]
    assert recipe.fit(texts, timestamps=zoned).digest == recipe.fit(texts, timestamps=naive).digest


def test_an_encoder_of_another_model_is_refused(recipe, texts, tmp_path):
    import shutil

    from embfeast.encoding.model import resolve

    copy = tmp_path / "model"
    shutil.copytree(resolve("all-MiniLM-L6-v2").folder, copy)
    (copy / "modules.json").unlink()
    with pytest.raises(EmbfeastError, match="is not the recipe's"):
        recipe.fit(texts, encoder=Encoder(str(copy)))


def test_labels_choose_features_and_count_in_the_digest(texts):
    settings = {
        "tricks": {"p": {"trick": "feature_synthesizer", "n_components": 3, "select": "l1",
                         "n_selected": 2}}
    }  # fmt: skip
    recipe = Recipe(settings)
    labels = ["ab"[i % 2] for i in range(len(texts))]
    fitted = recipe.fit(texts, labels=labels)
    assert fitted.record.labels == len(texts)
    assert len(fitted.tricks["p"].selected_) == 2
    assert recipe.fit(texts, labels=sorted(labels)).digest != fitted.digest
    with pytest.raises(EmbfeastError, match=r"'p'.*requires y"):
        recipe.fit(texts)
    with pytest.raises(EmbfeastError, match="labels has 1 values"):
        recipe.fit(texts, labels=["a"])


def test_labels_known_only_at_or_after_as_of_change_nothing(texts):
    recipe = Recipe(
        {"tricks": {"p": {"trick": "feature_synthesizer", "n_components": 2, "select": "l1",
                          "n_selected": 1}}}
    )  # fmt: skip
    times, as_of = days(len(texts)), DAY + pd.Timedelta(days=300)
    labels = [("a", "b")[i % 2] for i in range(len(texts))]
    known = [DAY] * (len(texts) - 2) + [as_of, as_of + pd.Timedelta(days=1)]
    digests = {
        recipe.fit(
            texts,
            timestamps=times,
            as_of=as_of,
            labels=[*labels[:-2], *late],
            label_timestamps=known,
        ).digest
        for late in (("a", "b"), ("b", "a"), (None, "new"))
    }
    assert len(digests) == 1


def test_a_missing_text_after_as_of_changes_nothing(recipe, texts):
    as_of = DAY + pd.Timedelta(days=6)
    whole = recipe.fit(texts, timestamps=days(len(texts)), as_of=as_of)
    gone = recipe.fit([*texts[:-1], None], timestamps=days(len(texts)), as_of=as_of)
    assert gone.digest == whole.digest


def test_clusters_keep_their_numbers_when_the_previous_fit_is_given():
    recipe = Recipe({"tricks": {"near": {"trick": "cluster_features", "n_clusters": 3}}})
    bills = [f"my invoice number {i} is wrong" for i in range(9)]
    parcels = [f"my parcel {i} has not arrived" for i in range(6)]
    logins = [f"I cannot log in, error {i}" for i in range(3)]
    first = recipe.fit(bills + parcels + logins)
    # The smallest cluster is now the largest: without the earlier fit its number would be 0.
    more = [f"I cannot log in, error {i}" for i in range(30)]
    again = recipe.fit(bills[:4] + parcels + more, previous=first)
    assert again.record.previous == first.digest
    told = [bills[0], parcels[0], logins[0]]
    assert first.transform(told)["cluster"].to_pylist() == [0, 1, 2]
    assert again.transform(told)["cluster"].to_pylist() == [0, 1, 2]
    anew = recipe.fit(bills[:4] + parcels + more)
    assert anew.transform(told)["cluster"].to_pylist() == [2, 1, 0]


def test_texts_of_a_series_are_taken_by_position_whatever_its_index(recipe, fitted, texts):
    shuffled = pd.Series(texts, index=range(len(texts), 0, -1))
    assert recipe.fit(shuffled).digest == fitted.digest
    assert fitted.transform(shuffled).equals(fitted.transform(texts))
    assert fitted.values(shuffled) == fitted.values(texts)
