"""Each test plants one fault in a healthy repository, and the doctor must name it and its mend."""

import json
import os
import shutil
import subprocess
import sys
from email.message import Message
from importlib import metadata

import pytest
from feast import FeatureStore

from embfeast.recipe.versions import current_digest
from embfeast.repository.check.doctor import examine
from embfeast.repository.check.stores import SECRET
from tests.commands.conftest import STORE, feast, review, run, run_with_code, write

pytestmark = pytest.mark.slow


@pytest.fixture
def healthy(applied):
    run("materialize", "--repo", applied)
    return applied


def found(repo, level):
    """Return what is found on a level, as `check: found | mend`."""
    findings = examine(FeatureStore(repo_path=str(repo)))
    return [f"{f.check}: {f.found} | {f.mend}" for f in findings if f.level == level]


def tables(repo):
    return sorted((repo / "data" / "features").glob("*/*"))


def test_a_healthy_repository_is_said_to_be_so(healthy):
    said = json.loads(run("doctor", "--repo", healthy, "--json").stdout)
    assert {one["level"] for one in said} == {"ok"}, said
    assert list(dict.fromkeys(one["check"] for one in said)) == [
        *("versions", "settings", "recipe", "model", "stores", "locks", "freshness", "leftovers")
    ]
    assert not any(one["mend"] for one in said)


def test_what_is_broken_ends_with_exit_code_1_and_warnings_alone_with_0(healthy):
    write(healthy, [review(16, 20)])
    assert "2 warning, 0 broken" in run("doctor", "--repo", healthy).stdout
    shutil.rmtree(tables(healthy)[0])
    said = run_with_code(1, "doctor", "--repo", healthy).stdout
    assert "1 broken" in said
    assert "mend: feast -c" in said


def test_a_package_of_another_version_or_missing_is_named(healthy, monkeypatch):
    known = metadata.version

    def version(name):
        if name == "safetensors":
            raise metadata.PackageNotFoundError(name)
        return "0.65.0" if name == "feast" else known(name)

    monkeypatch.setattr(metadata, "version", version)
    broken = " ".join(found(healthy, "broken"))
    assert "feast 0.65.0 is installed, embfeast needs <0.69,>=0.66" in broken
    assert "safetensors is not installed" in broken
    assert 'pip install "safetensors' in broken


def test_a_python_on_which_nobody_has_run_it_is_a_warning(healthy, monkeypatch):
    said = Message()
    said["Classifier"] = "Programming Language :: Python :: 3.9"
    monkeypatch.setattr(metadata, "metadata", lambda name: said)
    assert "embfeast was run on 3.9" in " ".join(found(healthy, "warning"))


@pytest.mark.parametrize(
    ("given", "changed", "level", "message"),
    [
        (
            "provider: embfeast.plugin.TextFeatureProvider",
            "provider: local",
            "broken",
            "put provider: embfeast.plugin.TextFeatureProvider",
        ),
        (
            "type: embfeast.plugin.DuckDBOfflineStore",
            "type: dask",
            "broken",
            "put type: embfeast.plugin.DuckDBOfflineStore under offline_store",
        ),
        (
            "  registry_store_type: embfeast.plugin.AtomicFileRegistryStore\n",
            "",
            "warning",
            "put registry_store_type: embfeast.plugin.AtomicFileRegistryStore under registry",
        ),
        (
            "  serve_features_while_materializing: true\n",
            "",
            "warning",
            "refuses every reader while it materializes",
        ),
    ],
)
def test_a_setting_that_is_not_embfeasts_is_named(healthy, given, changed, level, message):
    (healthy / "feature_store.yaml").write_text(STORE.replace(given, changed))
    assert message in " ".join(found(healthy, level))


def test_the_older_name_of_the_provider_is_as_good(healthy):
    older = STORE.replace("TextFeatureProvider", "EmbeddingProvider")
    assert older != STORE
    (healthy / "feature_store.yaml").write_text(older)
    assert {one.level for one in examine(FeatureStore(repo_path=str(healthy)))} == {"ok"}


def test_an_engine_that_is_not_embfeasts_is_named(healthy):
    start = STORE[: STORE.index("batch_engine:")]
    (healthy / "feature_store.yaml").write_text(start + "entity_key_serialization_version: 3\n")
    assert "put type: embfeast.plugin.EmbeddingComputeEngine under batch_engine" in " ".join(
        found(healthy, "broken")
    )


def test_a_repository_that_was_never_fitted_or_applied_is_said(repo):
    assert "holds no fitted recipe | fit one first" in " ".join(found(repo, "broken"))
    run("fit", "--repo", repo)
    assert f"no view of embfeast is applied | feast -c {repo} apply" in " ".join(
        found(repo, "broken")
    )


def test_a_recipe_changed_after_the_fit_or_fitted_after_the_apply_is_said(healthy):
    recipe = healthy / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("n_clusters: 2", "n_clusters: 3"))
    assert "is not what the current recipe" in " ".join(found(healthy, "warning"))
    before = current_digest(healthy / "data" / "recipes")
    run("fit", "--repo", healthy)
    assert f"views of recipe {before[:12]} are applied, but" in " ".join(found(healthy, "warning"))
    shutil.rmtree(healthy / "data" / "recipes" / before)
    assert "has lost the applied one" in " ".join(found(healthy, "broken"))


def test_an_entry_without_a_view_is_said(healthy):
    (healthy / "recipe.yaml").write_text(
        (healthy / "recipe.yaml").read_text() + "  whitened: {trick: whitener}\n"
    )
    run("fit", "--repo", healthy)
    assert "no view serves the recipe's whitened" in " ".join(found(healthy, "warning"))


def test_a_model_that_is_not_that_of_the_fit_is_said(healthy):
    folder = next((healthy / "data" / "recipes").glob("*/manifest.json"))
    manifest = json.loads(folder.read_text())
    folder.write_text(json.dumps(manifest | {"model_digest": "0" * 64}))
    assert "recipe: " in " ".join(found(healthy, "broken")), "a changed recipe is not loaded"


def test_other_weights_and_a_missing_graph_are_said(healthy, monkeypatch, tmp_path):
    monkeypatch.setenv("EMBFEAST_CACHE_DIR", str(tmp_path))
    assert "| python -m embfeast.encoding.prepare" in " ".join(found(healthy, "warning"))
    from embfeast.repository.check import model

    real = model.resolve("all-MiniLM-L6-v2")
    monkeypatch.setattr(
        model, "resolve", lambda name: type("Other", (), {"digest": "f" * 64, "real": real})
    )
    assert "the recipe was fitted with" in " ".join(found(healthy, "broken"))


def test_an_online_store_that_cannot_be_read_is_said(healthy):
    (healthy / "data" / "online.db").write_bytes(b"no database at all, but long enough" * 40)
    assert "online store sqlite cannot be read: DatabaseError" in " ".join(found(healthy, "broken"))


def test_an_online_store_that_does_not_answer_is_said_without_its_password(healthy):
    redis = "type: redis\n  connection_string: 127.0.0.1:1,password=hush\n"
    changed = STORE.replace("type: sqlite\n  path: data/online.db\n", redis)
    (healthy / "feature_store.yaml").write_text(changed)
    said = " ".join(found(healthy, "broken"))
    assert "online store redis cannot be read" in said
    assert "hush" not in said
    address = "postgresql://me:{}@host/db password={}".format("hush", "hush")
    assert SECRET.sub("***", address) == "postgresql://***host/db password=***"


def test_a_missing_table_and_a_damaged_file_are_said(healthy):
    first, second = tables(healthy)
    shutil.rmtree(first)
    file = next(second.glob("rows-*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    broken = found(healthy, "broken")
    assert any(f"there is no feature table {first}" in one for one in broken)
    assert any(f"file {file} cannot be read" in one and "--drop-damaged" in one for one in broken)


def test_a_full_disk_is_said(healthy, monkeypatch):
    usage = shutil.disk_usage(healthy)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5_000_000))
    assert "only 5.0 MB free on the disk of the feature tables" in " ".join(
        found(healthy, "warning")
    )


def test_a_text_database_that_is_open_for_writing_is_said(healthy):
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    words = [sys.executable, "-c", code, str(healthy / "reviews.duckdb")]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        writer.stdout.readline()
        broken = " ".join(found(healthy, "broken"))
        writer.communicate("\n")
    assert "close the writer and try again" in broken


def test_features_that_lag_behind_the_texts_are_said(applied):
    never = " ".join(found(applied, "warning"))
    assert "review_reduced was never materialized | embfeast materialize" in never
    run("materialize", "--repo", applied)
    write(applied, [review(16, 17)])
    assert "review_reduced ends 24.0 hours before the newest text" in " ".join(
        found(applied, "warning")
    )


def test_half_written_files_are_named_with_their_size_and_how_to_remove_them(healthy):
    half = healthy / "data" / "recipes" / ".b.tmp"
    half.write_bytes(b"x" * 1500)
    said = next(one for one in found(healthy, "warning") if "half-written" in one)
    assert "1 half-written files of killed runs (1.5 kB)" in said
    subprocess.run(said.partition("nobody reads them: ")[2], shell=True, check=True)
    assert not half.exists()
    assert not found(healthy, "warning")


def test_files_that_no_table_reads_are_counted_and_removed_by_compact(healthy):
    left = tables(healthy)[0] / "rows-of-a-killed-run.parquet"
    left.write_bytes(b"x" * 1500)
    os.utime(left, (0, 0))
    said = next(one for one in found(healthy, "ok") if "no feature table reads" in one)
    assert "1 files" in said
    assert "embfeast compact" in said
    run("compact", "--repo", healthy, "--keep", "0")
    assert not left.exists()


def test_tables_of_earlier_recipes_are_counted_but_are_no_fault(healthy):
    before = current_digest(healthy / "data" / "recipes")
    run("fit", "--repo", healthy, "--as-of", "2024-01-09")
    feast(healthy, "apply")
    run("materialize", "--repo", healthy)
    assert f"2 feature tables of earlier recipes ({before[:12]}) take" in " ".join(
        found(healthy, "ok")
    )
    assert not found(healthy, "warning")
