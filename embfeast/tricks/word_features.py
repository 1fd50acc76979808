"""Trick 10: what is said literally."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.utils.validation import check_is_fitted

from embfeast.encoding import Encoder, Pooling
from embfeast.tricks.parts.rowwise import unit_rows
from embfeast.tricks.parts.texts import texts_of
from embfeast.tricks.proposal import ProposalSample, Proposed, Setting
from embfeast.tricks.trick import TextTrick, Vectors, check_choice, check_number, warn_of_fewer

Analyzer = Literal["word", "char", "char_wb"]
# Proposed for texts of so few words, or where so many words have a digit in them.
SHORT, CODED = 4.0, 0.2


class WordFeatures(TextTrick):
    """Words or pieces of words, weighted by how rare they are, in one short vector.

    Parameters
    ----------
    n_components : int, default 64
        Numbers a text.
    analyzer : {"word", "char", "char_wb"}, default "word"
        N-grams of words; of characters; or of characters inside words alone.
    ngram_range : (int, int), default (1, 2)
        Shortest and longest n-gram.
    max_terms : int, default 20000
        The most frequent n-grams, or the places that they are hashed to.
    min_texts : int, default 2
        N-grams of fewer texts are left out, unless hashed.
    hashed : bool, default False
        Hash n-grams instead of keeping a list of them: they then have no names.
    random_state : int, default 0
        Where the search for directions starts.

    Attributes
    ----------
    terms_ : list of str
        The n-grams; empty where they are hashed.
    idf_ : ndarray of shape (terms,), float64
        Weight of each n-gram: ln((1 + texts) / (1 + texts that have it)) + 1.
    components_ : ndarray of shape (components, terms), float32

    See Also
    --------
    TokenPooler : Poolings of what the model makes of word pieces.

    Notes
    -----
    Counts c become (1 + ln c)·idf at unit length (TF-IDF), are multiplied by the directions of most
    weight (truncated SVD), and scaled to unit length. A text without any known n-gram gives zeros.
    No model is asked. A row has the same bits alone and in any batch.

    References
    ----------
    .. [1] Deerwester, S. et al., "Indexing by latent semantic analysis", JASIS 41, 1990.
    .. [2] Weinberger, K. et al., "Feature hashing for large scale multitask learning", ICML 2009.

    Examples
    --------
    >>> texts = ["card charged twice", "card charged", "late parcel", "the parcel is late"]
    >>> words = WordFeatures(2, ngram_range=(1, 1))
    >>> made = words.fit_transform(texts)
    >>> np.abs(made @ made.T).round(1).tolist()[0]
    [1.0, 1.0, 0.0, 0.0]
    >>> words.terms_
    ['card', 'charged', 'late', 'parcel']
    """

    purpose = "the words of the text, rare ones before common ones"
    section = "word_features"
    needs_model = False

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Propose it for short or coded texts, and for scripts that the model does not read."""
        words = [text.split() for text in sample.texts]
        typical = float(np.median([len(own) for own in words]))
        coded = np.mean([any(map(str.isdigit, word)) for own in words for word in own])
        if sample.unread:
            why = f"{sample.unread}, which the model does not read"
            settings = [Setting("analyzer", "char", why), Setting("ngram_range", [1, 3])]
        elif coded >= CODED:
            why = f"{coded:.0%} of the words have a digit"
            settings = [Setting("analyzer", "char_wb", why), Setting("ngram_range", [2, 4])]
        elif typical <= SHORT:
            why = f"half of the texts have at most {typical:.0f} words"
            settings = [Setting("analyzer", "char_wb", why), Setting("ngram_range", [2, 4])]
        else:
            return None
        return Proposed("words", "What is said literally, without the model.", settings)

    def __init__(
        self,
        n_components: int = 64,
        *,
        analyzer: Analyzer = "word",
        ngram_range: tuple[int, int] = (1, 2),
        max_terms: int = 20_000,
        min_texts: int = 2,
        hashed: bool = False,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.max_terms = max_terms
        self.min_texts = min_texts
        self.hashed = hashed
        self.random_state = random_state

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Learn n-grams, their weights and directions.

        Parameters
        ----------
        X : iterable of str
        y : ignored
        """
        self._fit(texts_of(X, self))
        return self

    def transform(self, X: Iterable[str]) -> Vectors:
        """Return one vector a text.

        Parameters
        ----------
        X : iterable of str, length n
            Missing texts are refused.

        Returns
        -------
        ndarray of shape (n, components), float32
        """
        check_is_fitted(self)
        return self._transform(texts_of(X, self))

    def learn(self, texts: list[str], encoder: Encoder) -> Self:
        """Learn everything: no model is asked."""
        self._fit(texts)
        return self

    def poolings(self) -> list[Pooling]:
        """Return nothing."""
        return []

    def fit_blocks(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Return the features."""
        return self._transform(texts)

    join = fit_blocks

    def _fit(self, texts: list[str]) -> None:
        self._check_settings()
        self.__dict__.pop("_parts", None)
        texts = self._read(texts)
        counter: Any
        self.terms_: list[str] = []
        if self.hashed:
            counts = self._counter().transform(texts)
        else:
            least = min(int(self.min_texts), len(texts))
            counter = CountVectorizer(
                max_features=int(self.max_terms), min_df=least, **self._reading()
            )
            try:
                counts = counter.fit_transform(texts)
            except ValueError as error:
                raise ValueError(
                    f"WordFeatures: no n-gram stands in {least} of the {len(texts):,} texts "
                    f"({error}); lower min_texts, or take analyzer='char'"
                ) from None
            self.terms_ = [str(term) for term in counter.get_feature_names_out()]
        weighting = TfidfTransformer(sublinear_tf=True).fit(counts)
        self.idf_ = np.asarray(weighting.idf_, dtype=np.float64)
        self.components_ = self._directions(weighting.transform(counts))

    def _directions(self, weighted: csr_matrix) -> NDArray[np.float32]:
        """Return the directions of most weight, the largest number of each positive."""
        most = min(weighted.shape)
        count = min(int(self.n_components), most)
        if count < self.n_components:
            of = f"{weighted.shape[0]:,} texts of {weighted.shape[1]:,} n-grams"
            warn_of_fewer(self, f"{self.n_components} numbers", of, count, 5)
        if count < most:
            start = np.random.default_rng(self.random_state).uniform(-1, 1, most)
            axes = svds(weighted.astype(np.float64), count, v0=start)[2][::-1]
        else:  # few texts, or few n-grams: whole
            axes = np.linalg.svd(weighted.toarray(), full_matrices=False)[2]
        largest = np.abs(axes).argmax(axis=1)
        signs = np.sign(axes[np.arange(len(axes)), largest])
        return np.ascontiguousarray(axes * signs[:, None], dtype=np.float32)

    def _check_settings(self) -> None:
        check_choice(self, "analyzer", ("word", "char", "char_wb"))
        check_number(self, "n_components", 1)
        check_number(self, "max_terms", 1)
        check_number(self, "min_texts", 1)
        shortest, longest = self.ngram_range
        if not 1 <= shortest <= longest:
            raise ValueError(
                f"WordFeatures: ngram_range={self.ngram_range!r} is not valid; give the shortest "
                "and the longest, such as (1, 2)"
            )

    def _reading(self) -> dict[str, Any]:
        """Return how texts are cut into n-grams."""
        # scikit-learn's own pattern leaves out words of one letter, which many scripts have.
        pattern = r"(?u)\b\w+\b" if self.analyzer == "word" else None
        return {
            "analyzer": self.analyzer,
            "ngram_range": tuple(self.ngram_range),
            "token_pattern": pattern,
        }

    def _counter(self) -> Any:
        if self.hashed:
            return HashingVectorizer(
                n_features=int(self.max_terms), norm=None, alternate_sign=False, **self._reading()
            )
        return CountVectorizer(vocabulary=self.terms_, **self._reading())

    @cached_property
    def _parts(self) -> tuple[Any, Any, NDArray[np.float64]]:
        """What counts, what weights, and the directions, made once of the fitted state."""
        weighting = TfidfTransformer(sublinear_tf=True)
        weighting.idf_ = self.idf_
        return self._counter(), weighting, self.components_.T.astype(np.float64)

    def _transform(self, texts: list[str]) -> Vectors:
        counter, weighting, directions = self._parts
        counts = counter.transform(self._read(texts)).astype(np.float64)
        # A sparse row is multiplied term after term, whatever stands beside it.
        return unit_rows(weighting.transform(counts) @ directions).astype(np.float32)

    @staticmethod
    def _read(texts: list[str]) -> list[str]:
        """Return texts without lone surrogates, which no file holds; refuse what is no text."""
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"WordFeatures: row {row} is {text!r:.40}, not text")
        return [text.encode(errors="replace").decode() for text in texts]

    def _names(self) -> list[str]:
        return [f"words_{i:03d}" for i in range(len(self.components_))]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags
