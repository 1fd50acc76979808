"""The faster ways prove themselves against sentence-transformers before they are used."""

from typing import Any

import numpy as np

from embfeast.encoding.backend import OnnxBackend
from embfeast.encoding.batch import Backend, Batch, Output, Vectors
from embfeast.encoding.export import GRAPH, exported_model, graph_path
from embfeast.encoding.facts import keep, kept, load, read_kept
from embfeast.encoding.model import Model
from embfeast.encoding.pieces import Pieces
from embfeast.errors import first_line

# In parts of the largest number, where that is above 1.
CLOSE = 1e-5
# Every class of length, and what tokenizers have trouble with.
PROBES = [
    "",
    "a",
    "late",
    "I was charged twice for my order.",
    "Meine Bestellung ist nicht angekommen, Straße 5.",
    "🙂 ログインできません — доставка опаздывает",
    "  TWO  spaces\nand a line, <b>marks</b> & [MASK] </s> ",
    "The app crashes when I open the invoice of last month. " * 6,
]
LONGEST = 2048  # words of the probe beyond a window


def why_not(model: Model) -> str:
    """Return why the model's graph cannot be used, or nothing; the answer is kept."""
    path = kept(model, f"-{GRAPH}.proof.json")
    found = read_kept(path)
    # An exported graph without PyTorch beside it is what was brought along.
    if found is not None and (found["reason"] or graph_path(model).exists()):
        return str(found["reason"])
    try:
        exported_model(model)
        reason = _compare(model)
    except (OSError, MemoryError) as error:  # of this machine now, not of the model: tried again
        return f"{type(error).__name__}: {first_line(error)}"
    except Exception as error:  # the exporter fails in many ways; PyTorch then still works
        reason = f"{type(error).__name__}: {first_line(error)}"
    finally:
        load.cache_clear()
    keep(path, {"reason": reason})
    return reason


def why_not_padded(model: Model, backend: Backend) -> str:
    """Return why padded batches of a model cannot be used, or nothing.

    That takes a moment on a GPU, and is found out anew in each process: it tells of the GPU too.
    """
    try:
        return _compare_padded(model, backend)
    except Exception as error:  # a model's own code may want more than word pieces
        return f"{type(error).__name__}: {first_line(error)}"


def _compare_padded(model: Model, backend: Backend) -> str:
    loaded = load(model)
    if (most := model.max_pieces) is not None:
        loaded.max_seq_length = most
    pieces = Pieces(model).read(PROBES)
    order = sorted(range(len(PROBES)), key=lambda i: -len(pieces[i]))
    batch = Batch(order, [PROBES[i] for i in order], [pieces[i] for i in order])
    made = backend.read(batch, frozenset({"sentence", "states"}), alone=True)
    for place, row in enumerate(order):
        length = len(pieces[row])
        told = _told(loaded, PROBES[row], model.prompt)
        own = {"sentence": made["sentence"], "states": made["states"][:, :length]}
        for kind, theirs in told.items():
            if reason := _differ(kind, own[kind][place : place + 1], theirs):
                return f"{reason} on a text of {length} word pieces, padded"
    return ""


def _compare(model: Model) -> str:
    plain = Model(model.settings.model_copy(update={"max_seq_length": None}), *_files(model))
    backend, pieces, loaded = OnnxBackend(plain, 1), Pieces(plain), load(model)
    if (most := plain.max_pieces) is not None:
        loaded.max_seq_length = most
    beyond = "word " * min(2 * (most or 64), LONGEST)
    for text in [*PROBES, beyond]:
        try:
            told = _told(loaded, text, plain.prompt)
        except Exception:  # noqa: S112 - what sentence-transformers cannot read is no measure
            continue
        # Twice in a batch, since the batch must not count.
        ids = pieces.read([text])[0]
        batch = Batch([0, 1], [text, text], [ids, ids])
        wanted: frozenset[Output] = frozenset({"sentence", "states"})
        made = backend.read(batch, wanted, alone=True)
        for kind, theirs in told.items():
            if reason := _differ(kind, made[kind], theirs):
                return f"{reason} on a text of {len(ids)} word pieces"
    return ""


def _files(model: Model) -> tuple[Any, str]:
    return model.folder, model.files


def _told(loaded: Any, text: str, prompt: str) -> dict[Output, Vectors]:
    made = loaded.encode([text], output_value=None, prompt=prompt, show_progress_bar=False)[0]
    own = made["attention_mask"].bool()
    return {
        "sentence": made["sentence_embedding"].cpu().numpy(),
        "states": made["token_embeddings"][own].cpu().numpy(),
    }


def _differ(kind: str, ours: Vectors, theirs: Vectors) -> str:
    if ours.shape[1:] != theirs.shape:
        return f"its {kind} has shape {ours.shape[1:]}, not {theirs.shape}"
    off = float(np.abs(ours - theirs).max(initial=0)) / max(1.0, float(np.abs(theirs).max()))
    return "" if off <= CLOSE else f"its {kind} differs by {off:.1e} from sentence-transformers'"
