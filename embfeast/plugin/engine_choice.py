"""What to say where a repository does not run on embfeast's engine."""

# Registries keep this place: a batch view's function, stored as text, imports it from here.
NEEDS_OURS = (
    "these views are computed by embfeast's own engine, not by Feast's local, Ray or Spark engine; "
    "put into feature_store.yaml: batch_engine: {type: embfeast.plugin.EmbeddingComputeEngine} "
    "(with executor: ray and ray_address it runs on a Ray cluster)"
)
