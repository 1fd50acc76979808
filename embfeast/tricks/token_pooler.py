"""Trick 6: pooling over word pieces and sentences, beside the model's own sentence vector."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from embfeast.encoding import DEFAULT_MODEL, Encoder, ModelSettings, Pooling
from embfeast.encoding.windows import MOST_PIECES
from embfeast.tricks.parts.moments import axes_of, moments
from embfeast.tricks.parts.opened import opened
from embfeast.tricks.parts.rowwise import unit_rows
from embfeast.tricks.parts.sentences import Across, across_sentences, split_sentences
from embfeast.tricks.parts.texts import texts_of
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import TextTrick, Vectors, check_choice, check_number, chosen

Kind = Literal["mean", "max", "cls", "layers", "weighted", "key_tokens"]
LongTexts = Literal["cut", "windows", "sentences"]
KINDS: tuple[str, ...] = get_args(Kind)
LONG_TEXTS: tuple[str, ...] = get_args(LongTexts)
# Proposed: from this share of texts longer than the model's window on, they are read whole.
LONG = 0.05
# Texts whose sentences are looked at, and how many sentences make one worth it.
LOOKED_AT, SENTENCES, LEAST_LOOKED_AT = 60, 4, 10
# Sentences of one text this much nearer to each other than to another text's are of one topic.
ONE_TOPIC = 0.15


class TokenPooler(TextTrick):
    """Pool the word pieces of texts in several ways, joined side by side.

    Parameters
    ----------
    pooling : sequence of {"mean", "max", "cls", "layers", "weighted", "key_tokens"}
        Mean and max by default. Layers: mean over the pieces of the mean of the last four layers.
        Weighted: rare pieces count more (SIF). Key tokens: the mean over key pieces alone.
    model : str or ModelSettings, default "all-MiniLM-L6-v2"
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

    purpose = "poolings over the word pieces"
    section = "pooling"

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed:
        """Propose mean and max, and to read long texts whole or sentence by sentence."""
        settings = [Setting("pooling", ["mean", "max"], "each at unit length, side by side")]
        window = sample.encoder.max_pieces or MOST_PIECES
        long = float(np.mean([len(p) > window - 2 for p in sample.encoder.pieces(sample.texts)]))
        within, between = _topics(sample)
        if within is not None and within - between < ONE_TOPIC:
            why = (
                f"several topics a text: cosine of its sentences {within:.2f}, of others' "
                f"{between:.2f}"
            )
            settings.append(Setting("long_texts", "sentences", why))
        elif long >= LONG:
            why = f"{long:.0%} are longer than the model's {window} word pieces: read whole"
            settings.append(Setting("long_texts", "windows", why))
        if long:
            sample.warnings.append(
                f"{long:.1%} of the texts are longer than the model's window of {window} word "
                "pieces: their sentence vector is that of the beginning"
            )
        return Proposed("pooled", "Poolings over the word pieces beside each other.", settings)

    def __init__(
        self,
        pooling: tuple[Kind, ...] = ("mean", "max"),
        *,
        model: str | ModelSettings = DEFAULT_MODEL,
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
        texts, encoder = texts_of(X, self), opened(self.model)
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
        texts, encoder = texts_of(X, self), opened(self.model)
        return self.join(texts, self._encode(texts, encoder), encoder)

    def learn(self, texts: list[str], encoder: Encoder) -> Self:
        """Check the settings and learn all that needs no pooled vectors."""
        self._check_settings()
        self.dimension_ = int(encoder.width)
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
        """Learn what needs the vectors that `poolings` asked for; return the features."""
        pooled = self._pooled(texts, blocks, encoder)
        if self.common_.any():
            found = moments(lambda: [pooled[self._kinds().index("weighted")]])
            second = found.scatter + found.rows * np.outer(found.mean, found.mean)
            self.common_ = axes_of(second)[0][0]
        return self._joined(pooled)

    def join(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Return the features of texts whose poolings a caller already has."""
        return self._joined(self._pooled(texts, blocks, encoder))

    def _names(self) -> list[str]:
        return [f"{name}_{i:03d}" for name in self._kinds() for i in range(self.dimension_)]

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


def _topics(sample: ProposalSample) -> tuple[float | None, float]:
    """Return the mean cosine of sentences within a text, and between texts."""
    split = [split_sentences(text) for text in sample.texts]
    several = [parts[:10] for parts in split if len(parts) >= SENTENCES]
    if len(several) < max(LEAST_LOOKED_AT, len(sample.texts) // 4):  # the exception
        return None, 0.0
    several = several[:LOOKED_AT]
    of_text = np.repeat(np.arange(len(several)), [len(parts) for parts in several])
    vectors = sample.encoder.encode([part for parts in several for part in parts])
    cosines = vectors @ vectors.T
    same = of_text[:, None] == of_text
    apart = ~np.eye(len(of_text), dtype=bool)
    return float(cosines[same & apart].mean()), float(cosines[~same].mean())
