import pytest
import yaml

from embfeast import EmbfeastError
from embfeast.scaffold.repository import check_target, entity_plans, lacking_settings


def test_a_store_that_says_all_of_it_lacks_nothing(tmp_path):
    path = tmp_path / "feature_store.yaml"
    path.write_text("project: shop\nregistry: {registry_type: sql, path: sqlite:///r.db}\n")
    lacking = yaml.safe_load("\n".join(lacking_settings(tmp_path)))
    assert set(lacking) == {"provider", "registry", "offline_store", "batch_engine"}
    assert "registry_store_type" not in lacking["registry"]  # of files alone
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | lacking))
    assert lacking_settings(tmp_path) == []


def test_the_folder_above_a_feature_repository_is_not_taken_for_it(tmp_path):
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo" / "feature_store.yaml").write_text("project: p\n")
    with pytest.raises(EmbfeastError, match=r"its feature repository is .*feature_repo"):
        check_target(tmp_path)


def test_each_part_of_a_composite_key_is_an_entity_of_its_own():
    plans, pair = entity_plans([("shop_id", "INT64"), ("order no", "STRING")], "review", None)
    assert [(p.name, p.key) for p in plans] == [("shop", "shop_id"), ("order_no", "order no")]
    assert pair is None
