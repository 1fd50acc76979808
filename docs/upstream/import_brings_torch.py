"""`import feast` imports torch and BigQuery's source, used or not: seconds of every command."""

import sys

import feast

heavy = [
    name for name in ("torch", "feast.infra.offline_stores.bigquery_source") if name in sys.modules
]
print(f"imported by `import feast` ({feast.version.get_version()}): {heavy}")
raise SystemExit(heavy != [])
