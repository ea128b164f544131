"""Rule 42: what a principal may do."""

import pytest


@pytest.fixture
def allow(emulator, admin):
    """Lets the client do nothing but these, until the test ends."""

    def allow(*permissions):
        admin.call("POST", "/config", {"access_keys": [{"id": emulator["key_id"], "allow": list(permissions)}]})

    yield allow
    allow()


def test_what_is_allowed_works(cloud, allow):
    allow("kms:CreateKey", "kms:Describe*")
    assert cloud.state(cloud.key()) == "PendingImport"


@pytest.mark.parametrize("operation", ["list_keys", "list_aliases"])
def test_what_is_not_allowed(cloud, allow, refused, operation):
    allow("kms:CreateKey")
    with refused() as caught:
        getattr(cloud.kms, operation)()
    name = "kms:" + operation.title().replace("_", "")
    assert name in caught.value.response["Error"]["Message"]


def test_primary_needs_more_than_itself(cloud, allow, refused):
    allow("kms:CreateKey")
    with refused() as caught:
        cloud.key(MultiRegion=True)
    assert "iam:CreateServiceLinkedRole" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("missing", ["kms:ReplicateKey", "kms:CreateKey", "kms:TagResource"])
def test_replica_needs_more_than_itself(cloud, allow, refused, missing):
    key = cloud.key(MultiRegion=True, Origin="AWS_KMS")
    allow(*{"kms:ReplicateKey", "kms:CreateKey", "kms:TagResource"} - {missing})
    with refused() as caught:
        cloud.kms.replicate_key(KeyId=key, ReplicaRegion="us-east-1", Tags=[{"TagKey": "a", "TagValue": "b"}])
    assert missing in caught.value.response["Error"]["Message"]
