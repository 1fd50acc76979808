"""Fitted recipes on an S3 server: the same digest, the same numbers, one clear error each."""

import boto3
import pytest

from embfeast import EmbfeastError, FittedRecipe
from embfeast.recipe.versions import (
    current_digest,
    has_version,
    load_current,
    load_version,
    make_current,
    save_version,
)
from tests.object_storage import HUSH

pytestmark = pytest.mark.slow


@pytest.fixture
def root(bucket, request):
    return f"{bucket}/{request.node.name[:40]}/recipes"


def test_a_recipe_comes_back_with_its_digest_and_the_same_bits(fitted, texts, root):
    assert save_version(root, fitted) == f"{root}/{fitted.digest}"
    loaded = load_current(root)
    assert loaded.digest == fitted.digest
    assert loaded.transform(texts).equals(fitted.transform(texts))
    assert FittedRecipe.load(f"{root}/{fitted.digest}").digest == fitted.digest


def test_versions_stay_and_an_earlier_one_is_made_current(recipe, fitted, texts, root):
    second = recipe.fit(texts[1:])
    for one in (fitted, second):
        save_version(root, one)
        assert current_digest(root) == one.digest
    assert make_current(root, fitted.digest[:12]).digest == fitted.digest
    assert current_digest(root) == fitted.digest
    assert has_version(root, second.digest)
    assert not has_version(root, "0" * 64)
    with pytest.raises(EmbfeastError, match=f"0 recipes.*it has .*{second.digest[:12]}"):
        make_current(root, "no digest")
    with pytest.raises(EmbfeastError, match="is not in"):
        load_version(root, "0" * 64)


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
def test_an_object_cut_short_is_named_and_a_new_save_mends_it(fitted, root, name, bucket):
    save_version(root, fitted)
    client = boto3.client("s3")
    name_of = {"Bucket": "features", "Key": f"{root.split('/', 3)[3]}/{fitted.digest}/{name}"}
    whole = client.get_object(**name_of)["Body"].read()
    client.put_object(**name_of, Body=whole[: len(whole) // 2])
    with pytest.raises(EmbfeastError, match=f"{name} cannot be read"):
        load_current(root)
    fitted.save(f"{root}/{fitted.digest}")
    assert load_current(root).digest == fitted.digest


def test_a_fit_that_stops_before_its_manifest_leaves_the_former_one_current(
    fitted, recipe, texts, root, monkeypatch
):
    save_version(root, fitted)
    from embfeast.recipe import artifact

    def stop_at_manifest(file, content, write=artifact.write_bytes):
        if file.endswith("manifest.json"):
            raise KeyboardInterrupt
        write(file, content)

    monkeypatch.setattr(artifact, "write_bytes", stop_at_manifest)
    second = recipe.fit(texts[1:])
    with pytest.raises(KeyboardInterrupt):
        save_version(root, second)
    assert load_current(root).digest == fitted.digest
    assert not has_version(root, second.digest)


def test_nothing_fitted_and_no_bucket_are_told_apart(fitted, root):
    with pytest.raises(EmbfeastError, match="holds no fitted recipe; fit one first"):
        load_current(root)
    for act in (load_current, lambda where: save_version(where, fitted)):
        with pytest.raises(EmbfeastError, match="bucket does not exist; correct its name"):
            act("s3://no-such-bucket/recipes")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "SignatureDoesNotMatch", "the secret key is wrong; see AWS_SECRET_ACCESS_KEY"),
        (403, "InvalidAccessKeyId", "the access key is unknown; see AWS_ACCESS_KEY_ID"),
        (301, "PermanentRedirect", "the bucket is in another region; see AWS_REGION"),
        (403, "RequestTimeTooSkewed", "this machine's clock differs from the server's; set"),
    ],
)
def test_what_the_server_refuses_is_one_clear_error(answering, fitted, status, code, message):
    answering(status, code)
    root = "s3://features/recipes"
    for act in (load_current, lambda where: save_version(where, fitted)):
        with pytest.raises(EmbfeastError, match=message) as raised:
            act(root)
        assert HUSH not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_server_that_nobody_answers_is_named(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(EmbfeastError, match="its server does not answer; see AWS_ENDPOINT_URL"):
        load_current("s3://features/recipes")
