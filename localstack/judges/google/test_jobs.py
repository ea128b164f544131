"""Rules 1 to 9: import jobs, their methods and their lives."""

import datetime
import gzip

import cloud as c
import pytest
from cloud import Level, Method
from cryptography import x509
from google.cloud import kms_v1

RSA_METHODS = [m for m in Method if m.name.startswith("RSA_")]
State = kms_v1.ImportJob.ImportJobState


def test_there_are_six_methods_with_rsa():
    assert len(RSA_METHODS) == 6
    assert 7 not in [m.value for m in Method]


@pytest.mark.parametrize("method", RSA_METHODS)
def test_method_gives_its_size(cloud, method):
    job = cloud.job(method)
    assert c.serialization.load_pem_public_key(job.public_key.pem.encode()).key_size == c.bits_of(method)
    assert job.import_method == method


@pytest.mark.parametrize("method", [m for m in Method if m.name.startswith("HPKE")])
def test_methods_with_hpke(cloud, refused, method):
    with refused():
        cloud.new_job(method=method)


def test_no_method(cloud, refused):
    with refused():
        cloud.new_job(method=Method.IMPORT_METHOD_UNSPECIFIED)


def test_creation_is_answered_before_there_is_a_key(cloud):
    job = cloud.new_job(level=Level.HSM)
    assert job.state == State.PENDING_GENERATION
    assert (job.import_method, job.protection_level) == (c.HYBRID, Level.HSM)
    assert job.expire_time - job.create_time == datetime.timedelta(days=3)
    for absent in ("public_key", "attestation", "generate_time", "expire_event_time"):
        assert absent not in job, absent


def test_job_is_active_later(cloud):
    job = cloud.get_job(cloud.new_job().name)
    assert job.state == State.ACTIVE
    assert "generate_time" in job
    assert job.public_key.pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert job.public_key.pem.endswith("-----END PUBLIC KEY-----\n")
    assert "attestation" not in job


def test_job_stays_pending_for_gets(cloud, clean):
    clean.settings(job_reads=2)
    name = cloud.new_job().name
    states = [cloud.get_job(name).state for _ in range(3)]
    assert states == [State.PENDING_GENERATION, State.PENDING_GENERATION, State.ACTIVE]


def test_job_stays_pending_for_a_time(cloud, clean):
    clean.settings(job_for=60)
    name = cloud.new_job().name
    assert "public_key" not in cloud.get_job(name)
    clean.advance(minutes=1)
    assert cloud.get_job(name).state == State.ACTIVE


def test_pending_job_imports_nothing(cloud, clean, refused):
    key, good = cloud.key(), cloud.job()
    clean.settings(job_for=60)
    pending = cloud.new_job("late")
    with refused():
        cloud.send(key, c.SYMMETRIC, pending, c.wrapped(good, bytes(32)))


def test_job_expires(cloud, clean):
    job = cloud.job()
    clean.advance(days=3, seconds=-30)
    assert cloud.get_job(job.name).state == State.ACTIVE
    clean.advance(minutes=1)
    expired = cloud.get_job(job.name)
    assert expired.state == State.EXPIRED
    assert expired.expire_event_time == job.expire_time
    assert "public_key" not in expired and "attestation" not in expired


def test_active_job_has_no_end_yet(cloud):
    assert "expire_event_time" not in cloud.job()


def test_expired_job_imports_nothing(cloud, clean, refused):
    key, job = cloud.key(), cloud.job()
    blob = c.wrapped(job, bytes(32))
    clean.advance(days=3)
    with refused():
        cloud.send(key, c.SYMMETRIC, job, blob)


def test_one_job_serves_many_versions(cloud):
    versions = [cloud.bring(key, c.SYMMETRIC, bytes([n]) * 32) for n, key in enumerate([cloud.key("a"), cloud.key("b")])]
    versions.append(cloud.bring(c.parent(versions[0].name), c.SYMMETRIC, bytes([9]) * 32))
    assert len({v.import_job for v in versions}) == 1
    assert len({v.name for v in versions}) == 3


@pytest.mark.parametrize("name", ["a", "A-b_3", "x" * 63])
def test_names_of_jobs(cloud, name):
    assert cloud.new_job(name).name == f"{cloud.ring}/importJobs/{name}"


@pytest.mark.parametrize("name", ["", "x" * 64, "a.b", "ä", "a/b"])
def test_bad_names_of_jobs(cloud, refused, name):
    with refused():
        cloud.new_job(name)


def test_job_is_unique_in_its_ring(cloud, emulator, refused):
    cloud.new_job("same")
    cloud.new_job("same", ring=emulator["rings"]["near"])
    with refused():
        cloud.new_job("same", Method.RSA_OAEP_4096_SHA1_AES_256)


def test_job_of_another_ring(cloud, emulator, refused):
    job = cloud.get_job(cloud.new_job(ring=emulator["rings"]["near"]).name)
    key = cloud.key()
    with refused():
        cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32)))


def test_job_of_another_ring_leniently(cloud, clean, emulator):
    clean.settings(lenient=True)
    job = cloud.get_job(cloud.new_job(ring=emulator["rings"]["near"]).name)
    version = cloud.send(cloud.key(), c.SYMMETRIC, job, c.wrapped(job, bytes(32)))
    assert cloud.get(version.name).state == c.State.ENABLED


@pytest.mark.parametrize("levels", [(Level.SOFTWARE, Level.HSM), (Level.HSM, Level.SOFTWARE)])
def test_level_of_another(cloud, refused, levels):
    key, job = cloud.key(level=levels[0]), cloud.job(level=levels[1])
    with refused():
        cloud.send(key, c.SYMMETRIC, job, c.wrapped(job, bytes(32)))


@pytest.mark.parametrize("level", [Level.SOFTWARE, Level.HSM])
def test_level_of_key_and_job(cloud, level):
    assert cloud.bring(cloud.key(level=level), c.SYMMETRIC, bytes(32), level=level).protection_level == level


def test_no_level(cloud, refused):
    with refused():
        cloud.new_job(level=Level.PROTECTION_LEVEL_UNSPECIFIED)


@pytest.mark.parametrize("level", [Level.EXTERNAL, Level.EXTERNAL_VPC, Level.HSM_SINGLE_TENANT])
def test_levels_without_import(cloud, refused, level):
    with refused():
        cloud.new_job(level=level)


@pytest.mark.parametrize("level", [Level.EXTERNAL, Level.EXTERNAL_VPC, Level.HSM_SINGLE_TENANT])
def test_levels_of_keys_that_are_not_modelled(cloud, refused, level):
    with refused():
        cloud.key(level=level)


def test_attestation_has_googles_shape_and_says_that_it_is_none(cloud):
    for attested in (cloud.job(level=Level.HSM), cloud.import_one(c.Algorithm.EC_SIGN_SECP256K1_SHA256)):
        statement = attested.attestation
        assert statement.format.name == "CAVIUM_V2_COMPRESSED"
        assert len(statement.cert_chains.cavium_certs) == 2
        assert statement.cert_chains.google_card_certs and statement.cert_chains.google_partition_certs
        assert b"NOT GENUINE" in gzip.decompress(statement.content)
        for pem in statement.cert_chains.cavium_certs:
            assert "NOT GENUINE" in x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()


def test_software_is_not_attested(cloud):
    assert "attestation" not in cloud.import_one(c.P256)


def test_hsm_where_there_is_none(cloud, emulator, refused):
    ring = emulator["rings"]["no hsm"]
    cloud.new_job(ring=ring)
    for make in (cloud.new_job, cloud.key):
        with refused():
            make("hsm", level=Level.HSM, ring=ring)


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_wrapping_key_in_a_format(cloud, form):
    job = cloud.job()
    got = cloud.get_job(job.name, public_key_format=kms_v1.PublicKey.PublicKeyFormat[form]).public_key
    want = c.der(job.public_key.pem)
    assert got.data == (want if form == "DER" else job.public_key.pem.encode())
    assert not got.pem


def test_wrapping_key_in_a_format_of_others(cloud, refused):
    job = cloud.job()
    with refused():
        cloud.get_job(job.name, public_key_format=kms_v1.PublicKey.PublicKeyFormat.NIST_PQC)


def test_jobs_are_listed(cloud):
    names = sorted(cloud.new_job(name).name for name in ("a", "b", "c"))
    assert [job.name for job in cloud.call("list_import_jobs", {"parent": cloud.ring})] == names


def test_jobs_cannot_be_deleted(cloud):
    assert not [name for name in dir(cloud.kms) if "import_job" in name and name.split("_")[0] in ("delete", "update")]


@pytest.mark.fresh
def test_each_job_has_its_own_key(cloud):
    assert cloud.job().public_key.pem != cloud.get_job(cloud.new_job("other").name).public_key.pem
