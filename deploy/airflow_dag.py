"""An hourly incremental run for Airflow 2 or 3: put it into the folder of your DAGs."""

from datetime import datetime

from airflow.decorators import dag, task

REPO = "/srv/my_repo"


@dag(schedule="@hourly", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1)
def embfeast() -> None:
    """Compute features of new texts, then prove that online values are the offline ones."""

    @task.bash(retries=3)
    def materialize() -> str:
        return f"embfeast materialize --repo {REPO} --incremental"

    @task.bash
    def verify() -> str:
        return f"embfeast verify --repo {REPO}"

    materialize() >> verify()


embfeast()
