"""Models that are made in seconds: of random weights, with a tokenizer of a few hundred pieces."""

import pytest

WIDTH = 32
TEXTS = [
    "late",
    "I was charged twice for my order.",
    "Straße 5, 🙂 ログインできません",
    "The app crashes when I open the invoice. " * 12,  # beyond the window
    "Where is my parcel?",
]


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import PreTrainedTokenizerFast

    cutting = BertWordPieceTokenizer()
    cutting.train_from_iterator(TEXTS, vocab_size=300, min_frequency=1, show_progress=False)
    marks = [(mark, cutting.token_to_id(mark)) for mark in ("[SEP]", "[CLS]")]
    cutting._tokenizer.post_processor = BertProcessing(*marks)
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=cutting._tokenizer, model_max_length=64, **special
    )


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing that an earlier run kept of the same model is found."""
    monkeypatch.setenv("EMBFEAST_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def tiny(tokenizer, tmp_path_factory):
    """The folder of a BERT with mean pooling, as sentence-transformers saves it. To be copied."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    plain, folder = (tmp_path_factory.mktemp(name) for name in ("plain", "tiny"))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=70,
    )
    BertModel(config).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    first = modules.Transformer(str(plain))
    own = [first, modules.Pooling(WIDTH, pooling_mode="mean")]
    SentenceTransformer(modules=own, device="cpu").save(str(folder))
    return folder
