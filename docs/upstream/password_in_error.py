"""An error about a setting prints the other settings of its section: a password among them."""

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
  type: redis
  connection_string: "host:6379,password=correct-horse"
  key_ttl_second: 5
entity_key_serialization_version: 3
"""
)
try:
    load_repo_config(folder, file)
    said = ""
except Exception as error:
    said = str(error)
print(said)
raise SystemExit("correct-horse" in said)
