"""An hourly incremental run for Dagster: `dagster dev -f deploy/dagster_job.py`."""

import subprocess

from dagster import Definitions, ScheduleDefinition, asset, define_asset_job

REPO = "/srv/my_repo"


@asset
def text_features() -> None:
    """Compute features of new texts, then prove that online values are the offline ones."""
    subprocess.run(["embfeast", "materialize", "--repo", REPO, "--incremental"], check=True)
    subprocess.run(["embfeast", "verify", "--repo", REPO], check=True)


job = define_asset_job("embfeast", [text_features])
definitions = Definitions(
    assets=[text_features],
    jobs=[job],
    schedules=[ScheduleDefinition(job=job, cron_schedule="@hourly")],
)
