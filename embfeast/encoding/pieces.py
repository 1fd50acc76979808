"""A model's word pieces: texts in, the numbers of their pieces out."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from embfeast.encoding.facts import kept, load
from embfeast.encoding.model import Model
from embfeast.errors import EmbfeastError


class Pieces:
    """Cuts texts into the pieces that sentence-transformers cuts them into.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Return what the model reads of each text: with prompt and special pieces, cut."""
        prompted = [self._model.prompt + text for text in texts]
        special = self._model.facts.kind != "static"
        if self._model.facts.tokenizer:
            made = self._cutting.encode_batch(prompted, add_special_tokens=special)
            return [own.ids for own in made]
        most = self._model.max_pieces
        made = self._slow(prompted, truncation=most is not None, max_length=most)
        return list(made["input_ids"])

    def whole(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's pieces, whole and without the special ones."""
        if self._model.facts.tokenizer:
            made = self._fast.encode_batch(list(texts), add_special_tokens=False)
            return [own.ids for own in made]
        return list(self._slow(list(texts), add_special_tokens=False)["input_ids"])

    @property
    def vocabulary(self) -> int:
        """Number of word pieces that the model knows."""
        if self._model.facts.tokenizer:
            return int(self._fast.get_vocab_size())
        return len(self._slow)

    @cached_property
    def special(self) -> tuple[list[int], list[int]]:
        """The special pieces that the model expects before and after a text."""
        if self._model.facts.kind == "static":
            return [], []
        bare = self.whole(["a"])[0]
        full = (
            self._fast.encode("a").ids
            if self._model.facts.tokenizer
            else self._slow(["a"])["input_ids"][0]
        )
        start = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
        return full[:start], full[start + len(bare) :]

    @cached_property
    def _fast(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(kept(self._model, ".tokenizer.json")))

    @cached_property
    def _cutting(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(kept(self._model, ".tokenizer.json")))
        if (most := self._model.max_pieces) is not None:
            tokenizer.enable_truncation(most, direction=self._model.facts.cut_from)
        return tokenizer

    @cached_property
    def _slow(self) -> Any:
        tokenizer = getattr(load(self._model)[0], "tokenizer", None)
        if not callable(tokenizer):
            raise EmbfeastError(
                f"model {self._model.name!r} has no word pieces that can be told apart",
                "use it for sentence vectors, and a transformer for poolings of word pieces",
            )
        return tokenizer
