"""Trick 6: pooling over word pieces and sentences, beside the model's own sentence vector."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from embfeast.encoding import DEFAULT_MODEL, Encoder, Pooling
from embfeast.tricks.moments import axes_of, moments
from embfeast.tricks.rowwise import unit_rows
from embfeast.tricks.sentences import Across, across_sentences, split_sentences
from embfeast.tricks.trick import Vectors, check_choice, check_number, chosen

Kind = Literal["mean", "max", "cls", "layers", "weighted", "key_tokens"]
LongTexts = Literal["cut", "windows", "sentences"]
KINDS: tuple[str, ...] = get_args(Kind)
LONG_TEXTS: tuple[str, ...] = get_args(LongTexts)


class TokenPooler(TransformerMixin, BaseEstimator):
    """Pool the word pieces of texts in several ways, joined side by side.

    Parameters
    ----------
    pooling : sequence of {"mean", "max", "cls", "layers", "weighted", "key_tokens"}
        Mean and max by default. Layers: mean over the pieces of the mean of the last four layers.
        Weighted: rare pieces count more (SIF). Key tokens: the mean over key pieces alone.
    model : str, default "all-MiniLM-L6-v2"
    scale : bool, default True
        Bring each pooling to unit length before joining. Joined as they are, the one with the
        larger numbers drowns the other, and the gain turns into a loss.
    long_texts : {"cut", "windows", "sentences"}, default "cut"
        Cut at the model's window; read whole in overlapping windows; or, for texts of several
        topics, pool each sentence by itself (short texts too) and then across sentences.
    across : {"mean", "max", "attention"}, default "mean"
        How sentences are pooled. Attention: weighted by closeness to `query`.
    query : str, optional
        For attention: the phrase that sentences are compared with.
    temperature : float, default 0.1
        For attention: the smaller, the more the closest sentence counts.
    key_tokens : int or list of str, default 3
        This many rarest pieces of a text; or the pieces of these words.
    smoothing : float, default 1e-3
        For weighted: a piece of share p counts smoothing / (smoothing + p).
    remove_common : bool, default True
        For weighted: take out the direction that all training texts share.

    Attributes
    ----------
    dimension_ : int
        Width of one pooling.
    piece_weights_ : ndarray of shape (vocabulary,), float32
        For weighted, learned at fit; empty otherwise.
    key_weights_ : ndarray of shape (vocabulary,), float32
        For key tokens; empty otherwise.
    common_ : ndarray of shape (dim,), float64
        The direction taken out of weighted; zero where none is.
    query_ : ndarray of shape (dim,), float32
        Unit vector of `query`; empty without it.

    See Also
    --------
    embfeast.Encoder : Gives the model's own sentence vector.

    Notes
    -----
    Padding never takes part: a text has the same bits alone and in any batch (with ONNX Runtime).
    All poolings of all entries of a recipe come from one forward pass; sentences are texts of
    their own and need another. A text without a key piece gives its plain mean. At most 100,000
    word pieces, or 1,000 sentences, of a text are read.

    References
    ----------
    .. [1] Reimers, N. and Gurevych, I., "Sentence-BERT", EMNLP 2019, table 6.
    .. [2] Arora, S. et al., "A simple but tough-to-beat baseline for sentence embeddings", ICLR
       2017.
    .. [3] Devlin, J. et al., "BERT", NAACL 2019, table 7: pooling of the last four layers.

    Examples
    --------
    >>> pooler = TokenPooler(("mean", "max"))
    >>> pooler.fit_transform(["I was charged twice"]).shape
    (1, 768)
    """

    def __init__(
        self,
        pooling: tuple[Kind, ...] = ("mean", "max"),
        *,
        model: str = DEFAULT_MODEL,
        scale: bool = True,
        long_texts: LongTexts = "cut",
        across: Across = "mean",
        query: str | None = None,
        temperature: float = 0.1,
        key_tokens: int | list[str] = 3,
        smoothing: float = 1e-3,
        remove_common: bool = True,
    ) -> None:
        self.pooling = pooling
        self.model = model
        self.scale = scale
        self.long_texts = long_texts
        self.across = across
        self.query = query
        self.temperature = temperature
        self.key_tokens = key_tokens
        self.smoothing = smoothing
        self.remove_common = remove_common

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Learn the weights of word pieces, where a pooling asks for them.

        Parameters
        ----------
        X : iterable of str
        y : ignored
        """
        texts, encoder = _texts(X), _open(self.model)
        self.learn(texts, encoder)
        if self.common_.any():  # the one thing that is learned from poolings
            self.fit_blocks(texts, self._encode(texts, encoder), encoder)
        return self

    def transform(self, X: Iterable[str]) -> Vectors:
        """Encode texts once and return their poolings side by side.

        Parameters
        ----------
        X : iterable of str, length n
            Missing texts are refused.

        Returns
        -------
        ndarray of shape (n, poolings x dim), float32
        """
        check_is_fitted(self)
        texts, encoder = _texts(X), _open(self.model)
        return self.join(texts, self._encode(texts, encoder), encoder)

    def learn(self, texts: list[str], encoder: Encoder) -> Self:
        """Check the settings and learn all that needs no pooled vectors.

        Parameters
        ----------
        texts : list of str
        encoder : Encoder
        """
        self._check_settings()
        self.dimension_ = int(encoder.dimension)
        self.piece_weights_ = np.empty(0, dtype=np.float32)
        self.key_weights_ = np.empty(0, dtype=np.float32)
        self.query_ = np.empty(0, dtype=np.float32)
        # A placeholder of ones asks `fit_blocks` for the direction itself.
        weighted = "weighted" in self._kinds()
        self.common_ = np.full(self.dimension_, float(weighted and self.remove_common))
        if weighted or ("key_tokens" in self._kinds() and isinstance(self.key_tokens, int)):
            self._learn_weights(texts, encoder)
        if "key_tokens" in self._kinds() and not isinstance(self.key_tokens, int):
            self.key_weights_ = self._named(encoder)
        if self.query is not None:
            self.query_ = encoder.encode([self.query])[0]
        return self

    def poolings(self) -> list[Pooling]:
        """Return what the encoder has to make of each whole text; nothing for sentences."""
        return [] if self.long_texts == "sentences" else self._poolings()

    def fit_blocks(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Learn what needs pooled vectors, and return the features of the texts.

        Parameters
        ----------
        texts : list of str, length n
        blocks : mapping from a pooling's key to ndarray of shape (n, dim)
            What `poolings` asked for.
        encoder : Encoder

        Returns
        -------
        ndarray of shape (n, poolings x dim), float32
        """
        pooled = self._pooled(texts, blocks, encoder)
        if self.common_.any():
            found = moments(lambda: [pooled[self._kinds().index("weighted")]])
            second = found.scatter + found.rows * np.outer(found.mean, found.mean)
            self.common_ = axes_of(second)[0][0]
        return self._joined(pooled)

    def join(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Return the features of texts whose poolings a caller already has.

        Parameters
        ----------
        texts : list of str, length n
        blocks : mapping from a pooling's key to ndarray of shape (n, dim)
        encoder : Encoder

        Returns
        -------
        ndarray of shape (n, poolings x dim), float32
        """
        return self._joined(self._pooled(texts, blocks, encoder))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        check_is_fitted(self)
        names = [f"{name}_{i:03d}" for name in self._kinds() for i in range(self.dimension_)]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def _check_settings(self) -> None:
        chosen(self, "pooling", KINDS)
        check_choice(self, "long_texts", LONG_TEXTS)
        check_choice(self, "across", get_args(Across))
        check_number(self, "temperature", 1e-6)
        check_number(self, "smoothing", 1e-12)
        needs_query = self.long_texts == "sentences" and self.across == "attention"
        if needs_query and not (isinstance(self.query, str) and self.query.strip()):
            raise ValueError(
                "TokenPooler: across='attention' compares sentences with a phrase; give query, "
                "say 'what went wrong'"
            )
        if isinstance(self.key_tokens, int):
            check_number(self, "key_tokens", 1)
        elif not self.key_tokens or not all(
            isinstance(word, str) and word.strip() for word in self.key_tokens
        ):
            raise ValueError("TokenPooler: key_tokens names no word, or a blank one")

    def _kinds(self) -> tuple[str, ...]:
        return chosen(self, "pooling", KINDS)

    def _learn_weights(self, texts: list[str], encoder: Encoder) -> None:
        counts = np.zeros(encoder.vocabulary, dtype=np.int64)
        for pieces in encoder.pieces(texts):
            np.add.at(counts, pieces, 1)
        share = counts / max(int(counts.sum()), 1)
        special = list(encoder.special_pieces)
        if "weighted" in self._kinds():
            weights = self.smoothing / (self.smoothing + share)
            weights[special] = 0
            self.piece_weights_ = weights.astype(np.float32)
        if "key_tokens" in self._kinds() and isinstance(self.key_tokens, int):
            # Only the order counts; a piece never seen in training is the rarest.
            rarity = 1 / (1 + counts.astype(np.float64))
            rarity[special] = 0
            self.key_weights_ = rarity.astype(np.float32)

    def _named(self, encoder: Encoder) -> NDArray[np.float32]:
        weights = np.zeros(encoder.vocabulary, dtype=np.float32)
        assert not isinstance(self.key_tokens, int)  # noqa: S101 - for the type checker
        for pieces in encoder.pieces([str(word) for word in self.key_tokens]):
            weights[pieces] = 1
        return weights

    def _poolings(self) -> list[Pooling]:
        return [self._pooling(kind) for kind in self._kinds()]

    def _pooling(self, kind: str) -> Pooling:
        windows = self.long_texts == "windows"
        if kind == "layers":
            return Pooling("mean", layered=True, windows=windows)
        if kind == "weighted":
            return Pooling("weighted", weights=self.piece_weights_, windows=windows)
        if kind == "key_tokens":
            top = int(self.key_tokens) if isinstance(self.key_tokens, int) else None
            return Pooling("weighted", weights=self.key_weights_, top=top, windows=windows)
        return Pooling(kind, windows=windows)  # type: ignore[arg-type]

    def _encode(self, texts: list[str], encoder: Encoder) -> dict[str, NDArray[Any]]:
        wanted = self.poolings()
        return dict(encoder.encode_pooled(texts, wanted)) if wanted else {}

    def _pooled(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> list[NDArray[Any]]:
        """Return one block a pooling."""
        if self.long_texts != "sentences":
            return [blocks[pooling.key] for pooling in self._poolings()]
        split = [split_sentences(text) for text in texts]
        sentences = [sentence for own in split for sentence in own]
        wanted: list[str | Pooling] = ["sentence", *self._poolings()]
        made = encoder.encode_pooled(sentences, wanted)
        query = self.query_ if self.across == "attention" else None
        return [
            across_sentences(
                made[pooling.key],
                made["sentence"],
                [len(own) for own in split],
                self.across,
                query,
                self.temperature,
            )
            for pooling in self._poolings()
        ]

    def _joined(self, pooled: list[NDArray[Any]]) -> Vectors:
        blocks = []
        for kind, block in zip(self._kinds(), pooled, strict=True):
            rows = np.asarray(block, dtype=np.float64)
            if kind == "weighted" and self.common_.any():
                # Summed row by row, so that the bits do not depend on the batch.
                along = (rows * self.common_).sum(axis=1, keepdims=True)
                rows = rows - along * self.common_
            blocks.append(unit_rows(rows) if self.scale else rows)
        return np.hstack(blocks).astype(np.float32)


@lru_cache(maxsize=2)
def _open(model: str) -> Encoder:
    """Return one encoder a model, so that it is opened once, not at every call."""
    return Encoder(model)


def _texts(X: Any) -> list[str]:
    """Take a sequence of texts, or a table of one column, as scikit-learn hands it over."""
    if isinstance(X, str):
        raise ValueError("TokenPooler takes a list of texts, got one string; write [text]")
    if issparse(X):
        raise TypeError("TokenPooler takes texts; sparse input is not supported")
    shape: tuple[int, ...] = getattr(X, "shape", (0,))
    if len(shape) == 2:
        if shape[1] != 1:
            raise ValueError(f"TokenPooler takes one column of texts, got {shape[1]} columns")
        X = np.asarray(X, dtype=object)[:, 0]
    texts = list(X)
    if not texts:
        raise ValueError("TokenPooler: 0 sample(s), there are no texts")
    return texts
