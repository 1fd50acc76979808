"""A model behind a server that speaks the OpenAI embeddings interface."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import BaseModel, ValidationError

from embfeast.encoding.batch import Batch, Output, Read, Vectors
from embfeast.encoding.facts import Facts, kept
from embfeast.encoding.model import Model
from embfeast.encoding.settings import ModelSettings
from embfeast.errors import EmbfeastError, first_line

# A server can change its model under one name. What it answers to these is kept and compared.
PROBES = (
    "The invoice was paid twice.",
    "Wo bleibt mein Paket?",
    "The app crashes when I open the settings on my phone, and restarting it does not help.",
    "42",
)
# How far an answer may be from the kept one, as a share of its length. Servers that compute in
# bfloat16 and in changing batches stay below 0.01; an int8 copy of a model does not.
NEAR = 0.03
# What is said of a model's files, and of what they say, means nothing to a server.
OF_FILES = (
    "revision", "prompt_name", "query_prompt_name", "max_seq_length", "precision",
    "trust_remote_code",
)  # fmt: skip


def served_model(settings: ModelSettings) -> Model:
    """Return a model known by its name alone: where the server stands is no part of it."""
    if given := [key for key in OF_FILES if key in settings.model_dump()]:
        raise EmbfeastError(
            f"model {settings.name!r} is served: {given[0]!r} has no meaning for it",
            "leave it out, or set it at the server; a prompt is given as `prompt`",
        )
    address = urlsplit(settings.base_url or "")
    if "@" in address.netloc or address.query:
        raise EmbfeastError(
            f"model {settings.name!r}: a base_url with a user name, password or query would be "
            "kept in recipes",
            "give the bare address, and the key as OPENAI_API_KEY",
        )
    return Model(settings, Path(), hashlib.sha256(f"openai;{settings.name}".encode()).hexdigest())


def served_facts(model: Model) -> Facts:
    """Ask the server how wide its vectors are."""
    width = Client(model).embed(PROBES[:1]).shape[1]
    return Facts(
        kind="other",
        dimension=width,
        width=width,
        window=None,
        pooling="modules",
        normalized=False,
        prompts={},
        default_prompt=None,
        prompt_is_pooled=True,
        tokenizer=False,
        cut_from="right",
    )


def compare(name: str, then: Vectors, now: Vectors, mend: str) -> None:
    """Refuse a server whose answers to the probes are no longer those that were kept."""
    if then.shape == now.shape:
        apart = np.linalg.norm(now - then, axis=1) / np.linalg.norm(then, axis=1)
        if not (largest := float(apart.max(initial=0.0))) > NEAR:
            return
        found = f"differ by up to {largest:.0%} from"
    else:
        found = f"have shape {now.shape}, not {then.shape}, unlike"
    raise EmbfeastError(
        f"the server's model {name!r} has changed under its name: its answers to the probe texts "
        f"{found} those that were kept. Nothing was written",
        mend,
    )


class ServedBackend:
    """A server asked for sentence vectors, with a bounded number of requests at a time."""

    name = "openai"
    batch_pieces = 0
    batch_texts = 32  # the most that text-embeddings-inference takes, unless told otherwise
    pads = False
    reads_texts = True

    def __init__(self, model: Model, threads: int | None) -> None:
        self._model = model
        self._client = Client(model)
        self.workers = threads or 8

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the sentence vectors of a batch; a server gives nothing else."""
        if wanted != {"sentence"}:
            raise no_pieces(self._model)
        texts = [self._model.prompt + text for text in batch.texts]
        vectors = self._client.embed(texts)
        if vectors.shape[1] != self._model.facts.dimension:
            raise EmbfeastError(
                f"the server's model {self._model.name!r} gave vectors of {vectors.shape[1]} "
                f"numbers, before they had {self._model.facts.dimension}: it is another one",
                f"bring that one back, or name this one otherwise; or remove "
                f"{kept(self._model, '.json')} and fit again",
            )
        return {"sentence": vectors}


def no_pieces(model: Model) -> EmbfeastError:
    """Return the error for whoever asks a server for word pieces or their states."""
    return EmbfeastError(
        f"model {model.name!r} is behind a server, which gives vectors of texts and no word pieces",
        "leave out what pools word pieces (token_pooler), or use a model whose files are here",
    )


class _Item(BaseModel):
    index: int
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Item]


class Client:
    """The `openai` client, which tries again after 429 and 5xx, and the check of its answers.

    Parameters
    ----------
    model : Model
    retries : int, default 5
        Further tries, after growing waits or the one that the server asks for (Retry-After).
    timeout : float, default 60
        Seconds that the server may be silent.
    """

    def __init__(self, model: Model, *, retries: int = 5, timeout: float = 60.0) -> None:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise EmbfeastError(
                f"model {model.name!r} is served, and the package openai is not installed",
                "run: pip install 'embfeast[openai]'",
            ) from error
        key, address = os.environ.get("OPENAI_API_KEY"), model.settings.base_url
        if not key and not (address or os.environ.get("OPENAI_BASE_URL")):
            raise EmbfeastError(
                f"model {model.name!r} is asked of OpenAI, and there is no key",
                "set the environment variable OPENAI_API_KEY, or give the base_url of a server "
                "that needs none",
            )
        self._name = model.name
        self._key = key
        self._client = OpenAI(
            api_key=key or "none",  # the client wants one; a server without keys reads none
            base_url=address,
            max_retries=retries,
            timeout=timeout,
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a vector a text, in the order of the texts, whatever that of the answer is."""
        return self._checked(self._ask(list(texts)), len(texts))

    def _ask(self, texts: list[str]) -> bytes:
        from openai import APIStatusError, OpenAIError

        try:
            return self._client.embeddings.with_raw_response.create(
                model=self._name, input=texts, encoding_format="float"
            ).content
        except APIStatusError as error:
            found, mend = first_line(error), _mend(error.status_code)
        except OpenAIError as error:
            cause = f": {first_line(error.__cause__)}" if error.__cause__ else ""
            found, mend = f"{type(error).__name__}{cause}", "see that it runs, then try again"
        longest = max(map(len, texts))
        # Not chained: the client's own error carries the request and with it the key.
        raise self._error(
            f"gave no vectors of {len(texts)} texts of up to {longest:,} characters ({found})", mend
        ) from None

    def _checked(self, body: bytes, count: int) -> Vectors:
        mend = "see what stands between here and the model"
        try:
            items = sorted(_Answer.model_validate_json(body).data, key=lambda item: item.index)
        except ValidationError as error:
            what = first_line(error.errors()[0]["msg"])
            raise self._error(f"answered what is no list of vectors ({what})", mend) from None
        if [item.index for item in items] != list(range(count)):
            raise self._error(f"answered {len(items)} vectors, not one for each of {count}", mend)
        if len(widths := {len(item.embedding) for item in items}) != 1 or 0 in widths:
            raise self._error(f"answered vectors of several widths, {sorted(widths)}", mend)
        vectors = np.array([item.embedding for item in items], dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise self._error("answered a vector that is not finite", mend)
        return vectors

    def _error(self, found: str, mend: str) -> EmbfeastError:
        address = self._client.base_url
        place = address.netloc.decode() + address.path  # without a user's name and password
        said = f"the server of model {self._name!r} at {place} {found}"
        return EmbfeastError(said.replace(self._key, "…") if self._key else said, mend)


def _mend(status: int) -> str:
    known: dict[Any, str] = {
        401: "set OPENAI_API_KEY to a key that the server takes",
        403: "set OPENAI_API_KEY to a key that may use this model",
        404: "see how the server calls its models, and where its /v1 is (base_url)",
        429: "wait, or ask for a higher limit",
    }
    return known.get(status, "try again" if status >= 500 else "see what the server accepts")
