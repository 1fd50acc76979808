"""A model whose weights are damaged or not all there is refused, before a vector is made."""

from collections.abc import Callable
from typing import Any

from embfeast.encoding.model import Model
from embfeast.errors import EmbfeastError


def check_weights(model: Model, loaded: Any, again: Callable[[], Any]) -> None:
    """Refuse weights that are no numbers, and those that no file holds and chance would choose.

    `again` opens the model once more.
    """
    import torch

    bad = [
        name
        for name, weight in loaded.named_parameters()
        if weight.is_floating_point() and not torch.isfinite(weight).all()
    ]
    if bad:
        raise _damaged(model, "are not finite in", bad)
    lacking = _lacking(model, loaded, again)
    if not lacking:
        return
    before = probe(loaded)
    with torch.no_grad():
        for weight in lacking.values():
            weight.normal_()
    after = probe(loaded)
    # What reaches no vector, such as BERT's pooler, may be absent.
    if not all(torch.equal(before[name], after[name]) for name in before):
        raise _damaged(model, "lack", sorted(lacking))


def probe(loaded: Any) -> dict[str, Any]:
    """Return the outputs of a model for one text."""
    made = loaded.encode(["a text"], output_value=None, prompt="", show_progress_bar=False)[0]
    outputs = ("sentence_embedding", "token_embeddings")
    return {name: made[name] for name in outputs if made.get(name) is not None}


def _lacking(model: Model, loaded: Any, again: Callable[[], Any]) -> dict[str, Any]:
    """Return the weights that transformers made up, by its own report."""
    network: Any = getattr(loaded[0], "auto_model", None)
    if not hasattr(network, "name_or_path"):  # no model of transformers
        return {}
    weights = {name: own for name, own in network.named_parameters() if own.is_floating_point()}
    try:
        _, report = type(network).from_pretrained(
            network.name_or_path,
            config=network.config,
            local_files_only=True,
            trust_remote_code=model.settings.trust_remote_code,
            output_loading_info=True,
        )
    except Exception:  # an adapter on a base: sentence-transformers alone knows how to open it
        return _made_up(loaded, again())
    lacking = {name: own for name, own in weights.items() if name in report["missing_keys"]}
    # All of them: damaged, or a part of a larger model, with other names there.
    return lacking if len(lacking) < len(weights) else _made_up(loaded, again())


def _made_up(loaded: Any, other: Any) -> dict[str, Any]:
    """Return the weights that differ from one opening to the next."""
    others = dict(other.named_parameters())
    return {
        name: own
        for name, own in loaded.named_parameters()
        if not bool((own == others[name]).all())
    }


def _damaged(model: Model, what: str, weights: list[str]) -> EmbfeastError:
    more = f" and {len(weights) - 1} more" if weights[1:] else ""
    return EmbfeastError(
        f"model {model.name!r}: the weights of {model.folder} {what} {weights[0]!r}{more}",
        "get the model again, or save it again with SentenceTransformer(...).save(folder)",
    )
