"""A model of static embeddings: the vectors of pieces that the package wordllama carries."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from embfeast import EmbfeastError

VECTORS = "weights/l2_supercat_256.safetensors"
PIECES = "tokenizers/l2_supercat_tokenizer_config.json"


def static_model(folder: Path) -> str:
    """Save the model into a folder as sentence-transformers does; return the folder."""
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from tokenizers import Tokenizer

    # Its files are all that is asked of the package: it is not imported.
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise EmbfeastError(
            "the static model's vectors are not here", "run: pip install --no-deps wordllama"
        )
    package = Path(spec.origin).parent
    vectors = load_file(package / VECTORS)["embedding.weight"].astype(np.float32)
    pieces = Tokenizer.from_file(str(package / PIECES))
    pieces.no_padding()
    pieces.no_truncation()
    table = StaticEmbedding(pieces, embedding_weights=vectors)
    SentenceTransformer(modules=[table, Normalize()], device="cpu").save(str(folder))
    return str(folder)
