"""A password that YAML takes for a number is printed by the error that it causes."""

import tempfile
from pathlib import Path

from feast.repo_config import load_repo_config

folder = Path(tempfile.mkdtemp())
file = folder / "feature_store.yaml"
file.write_text(
    """project: p
provider: local
registry: registry.db
online_store:
  type: postgres
  host: server
  database: features
  user: feast
  password: 20261127
entity_key_serialization_version: 3
"""
)
try:
    load_repo_config(folder, file)
    said = ""
except Exception as error:
    said = str(error)
print(said)
raise SystemExit("20261127" in said)
