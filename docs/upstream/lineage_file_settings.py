"""`additional_config` of the section `openlineage` is dropped: no file transport can be set up."""

from feast.repo_config import OpenLineageConfig

asked = {"log_file_path": "events.json", "append": True}
config = OpenLineageConfig(enabled=True, transport_type="file", additional_config=asked)
got = config.to_openlineage_config().get_transport_config()
print(f"asked: {asked}, got: {got}")
raise SystemExit(got.get("log_file_path") != asked["log_file_path"])
