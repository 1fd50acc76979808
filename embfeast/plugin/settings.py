"""What the `batch_engine` section of a repository says, and the recipes that it names."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr, model_validator

from embfeast.encoding import EmbeddingCache, Encoder, ModelSettings
from embfeast.plugin.feast_compat import is_our_engine
from embfeast.recipe.versions import current_digest, load_version
from embfeast.storage import Folder
from embfeast.tables.files import ROW_GROUP
from embfeast.tables.upkeep import KEPT_HOURS

if TYPE_CHECKING:
    from embfeast.recipe import FittedRecipe


class EmbeddingComputeEngineConfig(FeastConfigBaseModel):
    """The `batch_engine` section of feature_store.yaml.

    Attributes
    ----------
    recipes : str
        Folder of the fitted recipes, relative to the feature repository or on object storage
        (``s3://bucket/recipes``).
    cache : str or None
        Folder of the embedding cache, relative to the feature repository; None for none.
    chunk_rows : int or None
        Most texts computed at a time; memory grows with it and with nothing else. By default 8,192
        in this process, which encodes the more texts of one length together, and 2,048 on Ray,
        where a worker takes a chunk at a time. In this process a chunk of long texts is smaller: it
        has at most a million characters.
    strict_versions : bool
        Whether a lookup fails that meets a value of another recipe than the applied one; it says
        so in the column ``embfeast_status`` either way.
    longest_text : int
        Characters that a text in a request or a push may have; materialization reads any text.
    kept_hours : int
        Hours that an older version of a feature table can be read after its files were joined or
        rewritten; readers that take longer than that are cut off.
    executor : {"local", "ray"}
        Where chunks are computed: in this process, or on a Ray cluster.
    ray_address : str or None
        ``host:port`` of a cluster, ``"auto"`` for the one that runs on this machine, or None to
        start one here and stop it afterwards.
    ray_cpus : int
        CPUs of one worker, which opens the model once.
    ray_workers : int or None
        Most workers at a time; as many as the cluster has room for by default.
    """

    type: Literal[
        "embfeast.plugin.EmbeddingComputeEngine",
        "embfeast.plugin.engine.compute_engine.EmbeddingComputeEngine",
    ] = "embfeast.plugin.EmbeddingComputeEngine"
    recipes: StrictStr = "data/recipes"
    cache: StrictStr | None = "data/cache"
    chunk_rows: int | None = Field(default=None, ge=1)
    strict_versions: bool = False
    longest_text: int = Field(default=100_000, ge=1)
    kept_hours: int = Field(default=KEPT_HOURS, ge=0)
    executor: Literal["local", "ray"] = "local"
    ray_address: StrictStr | None = Field(default=None, pattern=r"^(auto|[^\s:/]+:\d+)$")
    ray_cpus: int = Field(default=1, ge=1)
    ray_workers: int | None = Field(default=None, ge=1)

    @property
    def chunk_size(self) -> dict[str, int]:
        """The most that is computed at a time, as `OpenedTexts.read` takes it."""
        if self.executor == "ray":
            return {"batch_rows": self.chunk_rows or 2048}
        return {"batch_rows": self.chunk_rows or ROW_GROUP, "batch_characters": 2**20}

    @model_validator(mode="after")
    def _check_ray(self) -> Self:
        given = sorted(name for name in self.model_fields_set if name.startswith("ray_"))
        if given and self.executor != "ray":
            raise ValueError(f"{', '.join(given)}: only read with `executor: ray`; add it")
        return self


class RepositorySettings:
    """The settings of a feature repository that embfeast reads.

    Parameters
    ----------
    config : RepoConfig
    engine : EmbeddingComputeEngineConfig, optional
        The engine's settings; by default those of the `batch_engine` section, or the default ones
        where another engine runs the repository.
    """

    def __init__(
        self, config: RepoConfig, engine: EmbeddingComputeEngineConfig | None = None
    ) -> None:
        self.config = config
        given = config.batch_engine_config
        ours = isinstance(given, dict) and is_our_engine(config)
        self.engine = engine or EmbeddingComputeEngineConfig(**(given if ours else {}))

    @property
    def repo(self) -> Path:
        """The feature repository's folder, to which paths in its settings are relative."""
        return Path(self.config.repo_path or Path.cwd())

    @property
    def recipes(self) -> Folder:
        """Folder of the fitted recipes."""
        return Folder.of(self.engine.recipes, self.repo)

    @property
    def cache(self) -> EmbeddingCache | None:
        """The embedding cache, where there is one."""
        return EmbeddingCache(self.repo / self.engine.cache) if self.engine.cache else None

    def encoder(self, model: str | ModelSettings) -> Encoder:
        """Return an encoder that keeps its embeddings in the cache."""
        return Encoder(model, cache=self.cache)

    def recipe(self, digest: str | None = None, *, cached: bool = True) -> "FittedRecipe":
        """Open a fitted recipe: the current one, or that of a digest."""
        digest = digest or current_digest(self.recipes)
        return load_version(self.recipes, digest, cache=self.cache if cached else None)
