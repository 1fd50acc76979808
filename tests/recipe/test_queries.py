"""The left text of a pair read as a query, the right one as a document."""

import json
import shutil

import numpy as np
import pytest

from embfeast import EmbfeastError, Encoder, FittedRecipe, Recipe
from tests.encoding.conftest import own_cache, tiny, tokenizer  # noqa: F401
from tests.recipe.conftest import TEXTS

MODEL = {"name": "all-MiniLM-L6-v2", "query_prompt": "question: "}
TRICKS = {
    "reduced": {"trick": "embedding_reducer", "n_components": 4},
    "asked": {"trick": "query_embedding", "input": "reduced"},
    "pair": {"trick": "pair_interaction", "left": "asked", "right": "reduced", "n_components": 3},
}
PROMPTS = {"query": "charged twice ", "document": "my order "}


def recipe_of(model, tricks=TRICKS):
    return Recipe({"model": model, "tricks": tricks})


@pytest.fixture(scope="module")
def recipe():
    return recipe_of(MODEL)


@pytest.fixture(scope="module")
def fitted(recipe):
    return recipe.fit(TEXTS)


@pytest.fixture
def folder(tiny, tmp_path):  # noqa: F811
    return shutil.copytree(tiny, tmp_path / "model")


def say_prompts(folder, **said):
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | said))


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
def test_both_sides_are_what_sentence_transformers_encodes(folder):
    from sentence_transformers import SentenceTransformer

    say_prompts(folder, prompts=PROMPTS)
    theirs = SentenceTransformer(str(folder), device="cpu")
    queries = theirs.encode_query(TEXTS, normalize_embeddings=True)
    documents = theirs.encode_document(TEXTS, normalize_embeddings=True)
    assert not np.allclose(queries, documents, atol=1e-3), "the prompts make a difference"
    names = {"prompt_name": "document", "query_prompt_name": "query"}
    tricks = {
        "embedding": {"trick": "embedding"},
        "asked": {"trick": "query_embedding"},
        "pair": {
            "trick": "pair_interaction",
            "left": "asked",
            "right": "embedding",
            "parts": ["left", "right", "cosine"],
        },
    }
    fitted = recipe_of({"name": str(folder), "backend": "torch", **names}, tricks).fit(TEXTS)
    made = fitted.matrices(TEXTS, ["embedding", "asked"])
    np.testing.assert_allclose(made["embedding"], documents, atol=1e-5)
    np.testing.assert_allclose(made["asked"], queries, atol=1e-5)
    pairs = fitted.transform_pairs("pair", TEXTS[:5], TEXTS[5:])
    for row in range(5):
        query, document = queries[row], documents[5 + row]
        cosine = sum(float(a) * float(b) for a, b in zip(query, document, strict=True))
        expected = [*query, *document, cosine]
        np.testing.assert_allclose(pairs[row], expected, atol=1e-5)


def test_a_query_goes_through_what_was_fitted_on_documents(fitted, encoder):
    prompted = encoder.encode([f"question: {text}" for text in TEXTS])
    expected = fitted.tricks["reduced"].transform(prompted)
    made = fitted.transform(TEXTS, entries=["asked"])["asked"].to_pylist()
    assert np.array_equal(np.array(made, dtype=np.float32), expected)
    assert [field.width for field in fitted.features("asked")] == [4]


def test_a_pair_is_fitted_on_queries_beside_documents(recipe, encoder):
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (1, 0)]
    fitted = recipe.fit(TEXTS, pairs=pairs)
    reduced = fitted.tricks["reduced"]
    documents = reduced.transform(encoder.encode(TEXTS))
    queries = reduced.transform(encoder.encode([f"question: {text}" for text in TEXTS]))
    # The recipe reads texts in an order of its own: its pairs are the same, the sums differ by it.
    rows = np.array([[*queries[a], *documents[b]] for a, b in pairs], dtype=np.float32)
    blocks = [rows[:, :4], rows[:, 4:]]
    blocks += [np.abs(blocks[0] - blocks[1]), blocks[0] * blocks[1]]
    sizes = [float(np.sqrt(np.mean(block.astype(np.float64) ** 2))) for block in blocks]
    np.testing.assert_allclose(fitted.tricks["pair"].scales_, np.repeat(sizes, 4), rtol=1e-5)


def test_texts_and_their_vectors_make_the_same_pairs_alone_and_after_loading(fitted, tmp_path):
    lefts, rights = TEXTS[:3], TEXTS[3:6]
    pairs = fitted.transform_pairs("pair", lefts, rights)
    asked = fitted.matrices(lefts, ["asked"])["asked"]
    reduced = fitted.matrices(rights, ["reduced"])["reduced"]
    assert np.array_equal(fitted.transform_pairs("pair", asked, reduced), pairs)
    fitted.save(tmp_path / "saved")
    loaded = FittedRecipe.load(tmp_path / "saved")
    for row in range(3):
        alone = loaded.transform_pairs("pair", lefts[row : row + 1], rights[row : row + 1])
        assert np.array_equal(alone[0], pairs[row])
    assert not np.allclose(fitted.transform_pairs("pair", rights, lefts), pairs, atol=1e-3)


def test_a_missing_text_is_no_query(fitted):
    made = fitted.transform([TEXTS[0], None, "  "])
    assert made["asked"].null_count == made["reduced"].null_count == 2


def test_the_prompt_of_queries_is_part_of_the_recipe(fitted):
    other = recipe_of(MODEL | {"query_prompt": "query: "}).fit(TEXTS)
    assert other.digest != fitted.digest
    assert other.model_digest == fitted.model_digest, "documents keep their vectors"


@pytest.mark.parametrize("given", [Encoder(), Encoder(query_prompt="query: ")])
def test_an_encoder_that_reads_queries_otherwise_is_refused(recipe, given):
    with pytest.raises(EmbfeastError, match=r"encoder's query_prompt is .*'question: '"):
        recipe.fit(TEXTS, encoder=given)


def test_each_side_is_encoded_once_and_counted_once(recipe, tmp_path):
    from embfeast import counts
    from embfeast.encoding import EmbeddingCache

    encoder = Encoder(recipe.settings.model, cache=EmbeddingCache(tmp_path))
    steps = []
    before = counts.totals()["texts_encoded"]
    recipe.fit(TEXTS, encoder=encoder, progress=steps.append)
    recipe.fit(TEXTS, encoder=encoder)
    assert counts.totals()["texts_encoded"] - before == 2 * len(TEXTS)
    assert sum(steps) == len(TEXTS)


def test_recipes_from_before_there_were_sides_are_written_as_they_were():
    entry = {"trick": "pair_interaction", "input": "embedding"}
    dumped = recipe_of("all-MiniLM-L6-v2", {"pair": entry}).settings.model_dump(mode="json")
    assert list(dumped["tricks"]["pair"]) == [
        *["trick", "input", "inputs", "online", "prefix", "description", "settings"]
    ]


def test_a_recipe_with_sides_is_read_back_from_its_yaml(recipe, tmp_path):
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert Recipe.from_yaml(tmp_path / "recipe.yaml").settings == recipe.settings


ASKED = {"trick": "query_embedding"}
WHITENED = {"trick": "whitener"}


@pytest.mark.parametrize(
    ("model", "tricks", "message"),
    [
        (
            "all-MiniLM-L6-v2",
            {"a": ASKED},
            r"tricks\.a: how model 'all-.*`query_prompt_name`",
        ),
        (MODEL | {"query_prompt_name": "query"}, {"a": ASKED}, "query_prompt or query_prompt_name"),
        (
            MODEL,
            {"p": {"trick": "token_pooler"}, "a": ASKED | {"input": "p"}},
            r"tricks\.a\.input: 'p' \(token_pooler\) cannot be made of a query",
        ),
        (MODEL, {"a": ASKED, "b": ASKED | {"input": "a"}}, "'a' .query_embedding. cannot be made"),
        (MODEL, {"w": WHITENED | {"left": "embedding"}}, r"tricks\.w\.left: a whitener reads no"),
        (
            MODEL,
            {"a": ASKED, "p": {"trick": "pair_interaction", "left": "a"}},
            r"tricks\.p: give `input`, or both of left and right",
        ),
        (
            MODEL,
            {"p": {"trick": "pair_interaction", "left": "b", "right": "embedding"}},
            "'b' is no earlier entry",
        ),
    ],
)
def test_what_cannot_be_a_query_or_a_side_is_named(model, tricks, message):
    with pytest.raises(EmbfeastError, match=message):
        recipe_of(model, tricks)


def test_sides_of_two_widths_and_numbers_that_are_names_are_refused():
    uneven = {**TRICKS, "pair": TRICKS["pair"] | {"left": "embedding"}}
    with pytest.raises(EmbfeastError, match="'embedding' gives 384 numbers and 'reduced' 4"):
        recipe_of(MODEL, uneven).fit(TEXTS)
    named = {
        "group": {"trick": "cluster_features", "n_clusters": 2},
        "asked": ASKED | {"input": "group"},
    }
    with pytest.raises(EmbfeastError, match="gives cluster, a number that names something"):
        recipe_of(MODEL, named).fit(TEXTS)


@pytest.mark.slow
@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    ("prompts", "mend"),
    [({}, "it has none; or give `query_prompt`"), ({"search": "find "}, "choose from search")],
)
def test_a_model_without_such_a_prompt_is_one_clear_error(folder, prompts, mend):
    say_prompts(folder, prompts=prompts)
    model = {"name": str(folder), "backend": "torch", "query_prompt_name": "query"}
    with pytest.raises(EmbfeastError, match=f"has no prompt 'query'.*{mend}"):
        recipe_of(model, {"a": ASKED}).fit(TEXTS)
