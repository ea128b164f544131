"""Rules 1 to 3: how a request is routed, signed and answered."""

import datetime
import json
import os
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, SSLError
from cloud import KEY_WRAP


@pytest.fixture
def send(emulator, admin):
    """Makes a request by hand; a refusal is raised as boto3 raises it."""
    return lambda target, body=b"{}", **how: by_hand(emulator, target, body, **how)


def by_hand(emulator, target, body, sign=True, service="kms"):
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    if target:
        headers["X-Amz-Target"] = target
    request = AWSRequest("POST", emulator["url"] + "/", headers, body)
    if sign:
        SigV4Auth(Credentials(emulator["key_id"], emulator["secret"]), service, "eu-central-1").add_auth(request)
    sent = urllib.request.Request(request.url, body, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = json.loads(error.read())
        code = {"Code": text["__type"].rpartition("#")[2], "Message": text.get("message", "")}
        raise ClientError({"Error": code, "ResponseMetadata": {"HTTPStatusCode": error.code}}, target) from error


def test_target_names_the_operation(send):
    headers, answer = send("TrentService.ListKeys")
    assert answer["Keys"] == [] and answer["Truncated"] is False
    assert headers["Content-Type"] == "application/x-amz-json-1.1"


def test_unknown_operation(send, refused):
    with refused():
        send("TrentService.ListKey")


@pytest.mark.parametrize("target", ["", "ListKeys", "KMS.ListKeys", "trentservice.ListKeys", "TrentService."])
def test_target_of_another_form(send, refused, target):
    with refused():
        send(target)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"Limit": "ten"}'])
def test_body_is_a_json_object(send, refused, body):
    with refused():
        send("TrentService.ListKeys", body)


def test_member_of_no_input_is_not_ignored(send, refused):
    with refused():
        send("TrentService.ListKeys", b'{"NoSuchMember": 1}')


def test_unsigned(send, refused):
    with refused():
        send("TrentService.ListKeys", sign=False)


def test_scope_of_another_service(send, refused):
    with refused():
        send("TrentService.ListKeys", service="s3")


def test_wrong_secret(connect, refused):
    with refused():
        connect(aws_secret_access_key="wrong").list_keys()


def test_unknown_access_key(connect, refused):
    with refused():
        connect(aws_access_key_id="AKIAUNKNOWNUNKNOWN00").list_keys()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_signed_at_another_time(kms, admin, refused, minutes):
    admin.ahead += datetime.timedelta(minutes=minutes)
    with refused():
        kms.list_keys()


@pytest.mark.parametrize("minutes", [-4, 4])
def test_signed_a_little_early_or_late(kms, admin, minutes):
    admin.ahead += datetime.timedelta(minutes=minutes)
    kms.list_keys()


def test_answers_carry_the_time(kms, admin):
    admin.advance(hours=5)
    sent = kms.list_keys()["ResponseMetadata"]["HTTPHeaders"]["date"]
    got = datetime.datetime.strptime(sent, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.timezone.utc)
    assert abs(got - admin.now()) < datetime.timedelta(seconds=30)


def test_region_is_that_of_the_scope(emulator, connect, cloud):
    here, there = cloud.key(), connect("us-east-1").create_key()["KeyMetadata"]
    assert cloud.describe(here)["Arn"] == f"arn:aws:kms:eu-central-1:{emulator['account']}:key/{here}"
    assert there["Arn"].startswith("arn:aws:kms:us-east-1:")
    assert [key["KeyId"] for key in connect("us-east-1").list_keys()["Keys"]] == [there["KeyId"]]


def test_key_of_another_region(connect, cloud, refused):
    key = cloud.key()
    with refused():
        connect("us-east-1").describe_key(KeyId=key)


def test_tls_under_the_run_ca(emulator, connect):
    connect(endpoint_url=emulator["tls_url"], verify=emulator["ca"]).list_keys()


def test_tls_under_another_ca(emulator, connect):
    with pytest.raises(SSLError):
        connect(endpoint_url=emulator["tls_url"]).list_keys()


def test_answers_name_the_key_by_arn(cloud):
    key = cloud.key()
    arn = cloud.describe(key)["Arn"]
    assert cloud.params(key)["KeyId"] == arn
    assert cloud.put(key, os.urandom(32))["KeyId"] == arn
    assert cloud.kms.delete_imported_key_material(KeyId=key)["KeyId"] == arn


def test_key_is_found_by_id_and_by_arn(cloud):
    key = cloud.key()
    arn = cloud.describe(key)["Arn"]
    assert cloud.put(arn, os.urandom(32))["KeyId"] == arn
    assert cloud.describe(arn)["KeyId"] == key


def test_arn_of_another_region(cloud, refused):
    arn = cloud.describe(cloud.key())["Arn"].replace("eu-central-1", "us-east-1")
    with refused():
        cloud.params(arn)


KEY_ONLY = {
    "get_parameters_for_import": {"WrappingAlgorithm": KEY_WRAP, "WrappingKeySpec": "RSA_2048"},
    "import_key_material": {
        "ImportToken": b"token",
        "EncryptedKeyMaterial": bytes(256),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "delete_imported_key_material": {},
    "rotate_key_on_demand": {},
    "list_key_rotations": {},
    "enable_key": {},
    "disable_key": {},
    "schedule_key_deletion": {},
    "cancel_key_deletion": {},
    "tag_resource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "untag_resource": {"TagKeys": ["a"]},
    "list_resource_tags": {},
    "get_key_policy": {},
}


@pytest.mark.parametrize("form", ["name", "arn"])
@pytest.mark.parametrize("operation", KEY_ONLY)
def test_alias_names_no_key_here(cloud, refused, operation, form):
    key, _ = cloud.symmetric()
    cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    arn = cloud.describe(key)["Arn"].replace(f"key/{key}", "alias/a")
    with refused():
        getattr(cloud.kms, operation)(KeyId="alias/a" if form == "name" else arn, **KEY_ONLY[operation])


def test_alias_names_a_key_where_it_may(cloud):
    key, _ = cloud.symmetric()
    cloud.kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    arn = cloud.describe(key)["Arn"].replace(f"key/{key}", "alias/a")
    for alias in ("alias/a", arn):
        assert cloud.describe(alias)["KeyId"] == key
        opened = cloud.kms.decrypt(CiphertextBlob=cloud.encrypt(alias), KeyId=alias)
        assert opened["Plaintext"] == b"a challenge"
