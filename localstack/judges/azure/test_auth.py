"""Rules 1 to 6: the challenge, TLS, tokens and permissions."""

import os
import re

import cloud as c
import pytest
import requests
from azure.core.credentials import AccessToken
from azure.identity import ClientSecretCredential, WorkloadIdentityCredential

KEY = "/keys/a?api-version=2025-07-01"


class Static:
    """A token that was made before."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_, **__):
        return AccessToken(self.token, 2**40)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/keys/a?api-version=2025-07-01", b""),
        ("PUT", "/keys/a?api-version=2025-07-01", b"no JSON"),
        ("POST", "/keys/bad_name!/create", b""),
        ("GET", "/keys", b""),
        ("GET", "/nothing", b""),
    ],
)
def test_unauthorized_comes_first(cloud, method, path, body):
    answer = cloud.raw(method, path, data=body, headers={"Authorization": None})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "Unauthorized"
    assert answer.json()["error"]["message"].startswith("AKV10000")


def test_refused_without_token(cloud, refused):
    with refused():
        cloud.keys(credential=Static("")).get_key("a")


@pytest.mark.parametrize("vault", ["standard", "premium", "pool"])
def test_challenge_is_verified(cloud, vault):
    """The client's verification is on: it holds the resource against the host."""
    assert list(cloud.keys(vault).list_properties_of_keys()) == []


def test_token_for_another_service(cloud, refused):
    """A token for Managed HSM does not open a vault."""
    token = cloud.identity().get_token(resource(cloud, "pool") + "/.default").token
    with refused():
        cloud.keys("premium", Static(token)).get_key("a")


def resource(cloud, vault):
    answer = cloud.raw("GET", KEY, vault, headers={"Authorization": None})
    return re.fullmatch(r'Bearer authorization="[^" ]+", resource="([^" ]+)"', answer.headers["WWW-Authenticate"])[1]


@pytest.mark.parametrize("vault", ["premium", "pool"])
def test_challenge_names_tenant_and_resource(cloud, vault):
    answer = cloud.raw("GET", KEY, vault, headers={"Authorization": None})
    header = answer.headers["WWW-Authenticate"]
    authority = re.fullmatch(r'Bearer authorization="([^" ]+)", resource="[^" ]+"', header)[1]
    assert authority == f"{cloud.place['authority']}/{cloud.place['tenant']}"
    host = cloud.place["vaults"][vault].removeprefix("https://")
    assert host.endswith("." + resource(cloud, vault).removeprefix("https://"))


def test_tls_under_the_run_ca(cloud):
    assert cloud.raw("GET", KEY).status_code == 404


def test_other_roots_do_not_trust_it(cloud, refused):
    with refused():
        cloud.keys(connection_verify=True).get_key("a")


def test_plain_http_is_not_spoken(cloud):
    url = cloud.place["vaults"]["premium"].replace("https:", "http:")
    assert requests.get(url + KEY, timeout=30).status_code == 400


def test_certificate(cloud):
    c.kek(cloud.keys("premium", cloud.identity()))


def test_certificate_in_memory(cloud):
    with open(cloud.place["certificate"], "rb") as file:
        c.kek(cloud.keys("premium", cloud.identity(certificate_data=file.read())))


def test_federated_token(cloud):
    c.kek(cloud.keys("premium", cloud.identity(WorkloadIdentityCredential, token_file_path=cloud.place["federated"])))


def test_secret(cloud):
    c.kek(cloud.keys("pool", cloud.identity(ClientSecretCredential, client_secret=cloud.place["secret"])))


def test_wrong_secret(cloud, refused):
    with refused():
        cloud.keys("premium", cloud.identity(ClientSecretCredential, client_secret="wrong")).get_key("a")


def test_certificate_of_somebody(cloud, refused, tmp_path):
    """A key that is not the registered certificate's proves nothing."""
    import pairs
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    pair = pairs.generate("RSA_2048")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    now = cloud.admin.now()
    made = x509.CertificateBuilder(name, name, pair.public_key(), 1, now, now.replace(year=now.year + 1)).sign(pair, hashes.SHA256())
    pem = serialization.Encoding.PEM
    text = made.public_bytes(pem) + pair.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with refused():
        cloud.keys("premium", cloud.identity(certificate_data=text)).get_key("a")


def test_federated_token_for_somebody(cloud, refused, tmp_path):
    """A token that the identity provider did not sign so."""
    with open(cloud.place["federated"]) as file:
        head, body, signature = file.read().split(".")
    file = tmp_path / "token"
    file.write_text(".".join([head, body, ("A" if signature[0] != "A" else "B") + signature[1:]]))
    with refused():
        cloud.keys("premium", cloud.identity(WorkloadIdentityCredential, token_file_path=str(file))).get_key("a")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "e30.e30.e30"])
def test_token_of_nobody(cloud, refused, token):
    with refused():
        cloud.keys("premium", Static(token)).get_key("a")


def test_token_grows_old(cloud, refused):
    cloud.admin.settings(tokens_follow=True)
    cloud.admin.advance(hours=2)
    with refused():
        cloud.keys("premium", Static(cloud.place["bearer"])).get_key("a")


READ = "Microsoft.KeyVault/vaults/keys/read"


def restricted(cloud, *allow):
    """A principal that may do this alone; its credential."""
    client_id, secret = "00000000-0000-4000-8000-" + os.urandom(6).hex(), os.urandom(16).hex()
    cloud.admin.call("POST", "/config", {"principals": [{"client_id": client_id, "secret": secret, "allow": list(allow)}]})
    return ClientSecretCredential(
        cloud.place["tenant"], client_id, secret, authority=cloud.place["authority"], disable_instance_discovery=True, **cloud.options()
    )


def test_allowed_action(cloud, keys):
    c.kek(keys)
    assert cloud.keys("premium", restricted(cloud, READ)).get_key("kek").name == "kek"


@pytest.mark.parametrize(
    ("vault", "action", "call"),
    [
        ("premium", "vaults/keys/create/action", lambda k: c.kek(k)),
        ("premium", "vaults/keys/import/action", lambda k: c.send(k, "PUT", "/keys/a", {})),
        ("premium", "vaults/keys/update/action", lambda k: k.update_key_properties("a", enabled=True)),
        ("premium", "vaults/keys/delete", lambda k: k.begin_delete_key("a")),
        ("premium", "vaults/keys/recover/action", lambda k: k.begin_recover_deleted_key("a")),
        ("premium", "vaults/keys/purge/action", lambda k: k.purge_deleted_key("a")),
        ("premium", "vaults/keys/backup/action", lambda k: k.backup_key("a")),
        ("premium", "vaults/keys/restore/action", lambda k: k.restore_key_backup(b"a")),
        ("premium", "vaults/keys/sign/action", lambda k: c.send(k, "POST", "/keys/a/sign", {})),
        ("premium", "vaults/keys/verify/action", lambda k: c.send(k, "POST", "/keys/a/verify", {})),
        ("premium", "vaults/keys/encrypt/action", lambda k: c.send(k, "POST", "/keys/a/encrypt", {})),
        ("premium", "vaults/keys/decrypt/action", lambda k: c.send(k, "POST", "/keys/a/decrypt", {})),
        ("premium", "vaults/keys/wrap/action", lambda k: c.send(k, "POST", "/keys/a/wrapkey", {})),
        ("premium", "vaults/keys/unwrap/action", lambda k: c.send(k, "POST", "/keys/a/unwrapkey", {})),
        ("pool", "managedHsm/keys/create", lambda k: c.kek(k)),
        ("pool", "managedHsm/keys/import/action", lambda k: c.send(k, "PUT", "/keys/a", {})),
        ("pool", "managedHsm/keys/read/action", lambda k: k.get_key("a")),
        ("pool", "managedHsm/keys/write/action", lambda k: k.update_key_properties("a", enabled=True)),
        ("pool", "managedHsm/keys/delete", lambda k: k.begin_delete_key("a")),
        ("pool", "managedHsm/keys/deletedKeys/read/action", lambda k: k.get_deleted_key("a")),
        ("pool", "managedHsm/keys/deletedKeys/recover/action", lambda k: k.begin_recover_deleted_key("a")),
        ("pool", "managedHsm/keys/deletedKeys/delete", lambda k: k.purge_deleted_key("a")),
        ("pool", "managedHsm/keys/sign/action", lambda k: c.send(k, "POST", "/keys/a/sign", {})),
    ],
)
def test_action_not_allowed(cloud, refused, vault, action, call):
    client = cloud.keys(vault, restricted(cloud, READ))
    with refused() as caught:
        call(client)
    assert f"Action: 'Microsoft.KeyVault/{action}'" in caught.value.error.message
