import numpy as np
import pyarrow as pa
import pytest

from embfeast import EmbfeastError, FittedRecipe, Recipe


def test_all_tricks_make_their_features_in_one_table(fitted, texts):
    table = fitted.transform(texts)
    assert table.num_rows == len(texts)
    assert table.column_names == [
        "embedding",
        "similarity_billing",
        "similarity_login",
        "reduced",
        *["cluster", "distance_00", "distance_01", "distance_02"],
        "whitened",
        "pooled",
        "products",
    ]
    types = {name: table.schema.field(name).type for name in table.column_names}
    assert types["embedding"] == types["pooled"] == pa.list_(pa.float32())
    assert types["similarity_billing"] == types["distance_00"] == pa.float32()
    assert types["cluster"] == pa.int64()
    widths = {f.name: f.width for e in fitted.entries for f in fitted.features(e)}
    assert (widths["embedding"], widths["reduced"], widths["pooled"]) == (384, 4, 768)
    assert widths["products"] == 4 + 4 + 6
    for name, width in widths.items():
        if width > 1:
            assert {len(v) for v in table[name].to_pylist()} == {width}


def test_similarity_is_high_where_the_text_is_about_the_anchor(fitted):
    table = fitted.transform(["I was billed twice, wrong charge", "my login fails"])
    assert table["similarity_billing"][0].as_py() > table["similarity_billing"][1].as_py()
    assert table["similarity_login"][1].as_py() > table["similarity_login"][0].as_py()


def test_a_missing_or_blank_text_gives_nulls_and_leaves_its_neighbours_alone(fitted, texts):
    table = fitted.transform([texts[0], None, "", " \t", texts[1]])
    alone = fitted.transform(texts[:2])
    for name in table.column_names:
        assert table[name].is_null().to_pylist() == [False, True, True, True, False]
        assert table[name].take([0, 4]).to_pylist() == alone[name].to_pylist()


def test_nothing_but_missing_texts_and_nothing_at_all(fitted):
    assert fitted.transform([None, ""])["reduced"].null_count == 2
    empty = fitted.transform([])
    assert empty.num_rows == 0
    assert empty.schema == fitted.transform(["a"]).schema


def test_a_text_has_the_same_bits_alone_and_in_a_batch(fitted, texts):
    together = fitted.transform(texts)
    for row, text in enumerate(texts):
        assert fitted.transform([text]).equals(together.slice(row, 1).combine_chunks())


def test_entries_may_be_chosen_and_a_chain_is_followed(fitted, texts):
    chosen = fitted.transform(texts, entries=["products"])
    assert chosen.column_names == ["products"]
    assert chosen["products"].equals(fitted.transform(texts)["products"])
    with pytest.raises(EmbfeastError, match=r"no entry 'pair'.*it has embedding"):
        fitted.transform(texts, entries=["pair"])


def test_pairs_are_computed_from_the_input_of_the_pair_entry(fitted, texts):
    vectors = np.array(fitted.transform(texts)["reduced"].to_pylist(), dtype=np.float32)
    pairs = fitted.transform_pairs("pair", vectors[:3], vectors[3:6])
    assert pairs.shape == (3, 3)
    assert pairs.dtype == np.float32
    with pytest.raises(EmbfeastError, match="'reduced' is no pair entry"):
        fitted.transform_pairs("reduced", vectors, vectors)


def test_saved_and_loaded_it_gives_the_same_bits(fitted, texts, tmp_path):
    fitted.save(tmp_path / "recipe")
    loaded = FittedRecipe.load(tmp_path / "recipe")
    assert loaded.digest == fitted.digest
    assert loaded.record == fitted.record
    assert loaded.transform(texts).equals(fitted.transform(texts))
    vectors = np.ones((2, 4), dtype=np.float32)
    assert np.array_equal(
        loaded.transform_pairs("pair", vectors, vectors),
        fitted.transform_pairs("pair", vectors, vectors),
    )


def test_an_entry_named_as_the_plain_vector_keeps_its_state(texts, tmp_path):
    fitted = Recipe({"tricks": {"embedding": {"trick": "whitener"}}}).fit(texts)
    fitted.save(tmp_path / "saved")
    loaded = FittedRecipe.load(tmp_path / "saved")
    assert loaded.digest == fitted.digest
    assert loaded.transform(texts).equals(fitted.transform(texts))


def test_other_weights_than_those_of_the_fit_are_refused(fitted, tmp_path):
    fitted.save(tmp_path / "recipe")
    loaded = FittedRecipe.load(tmp_path / "recipe")
    loaded.model_digest = "0" * 64
    with pytest.raises(EmbfeastError, match="fitted with a model of digest 000000000000"):
        loaded.transform(["a"])
