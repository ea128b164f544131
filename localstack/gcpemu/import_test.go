package gcpemu_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

type algorithm = kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm

// rsaDER is the PKCS#8 of the one RSA key of a size that the tests share.
func rsaDER(t *testing.T, bits int) []byte {
	t.Helper()
	pool := must(emu.NewPool(emu.PoolConfig{Dir: filepath.Join("..", "..", ".cache", "wrapping-keys"), Reuse: true}))(t)
	return must(x509.MarshalPKCS8PrivateKey(must(pool.Take(bits))(t)))(t)
}

// materials are one for each algorithm that is modelled.
func materials(t *testing.T) map[algorithm][]byte {
	t.Helper()
	ec := func(c elliptic.Curve) []byte { _, der := emutest.EC(t, c); return der }
	ed := must(x509.MarshalPKCS8PrivateKey(edKey(t)))(t)
	out := map[algorithm][]byte{
		symmetric: emutest.Random(32), p256: ec(elliptic.P256()), kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384: ec(elliptic.P384()),
		kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256: emutest.Koblitz(t), kmspb.CryptoKeyVersion_EC_SIGN_ED25519: ed,
	}
	for a, name := range kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm_name {
		if bits := bitsIn(name); bits != 0 {
			out[algorithm(a)] = rsaDER(t, bits)
		}
	}
	for size, some := range map[int][]algorithm{
		16: {kmspb.CryptoKeyVersion_AES_128_GCM, kmspb.CryptoKeyVersion_AES_128_CBC, kmspb.CryptoKeyVersion_AES_128_CTR},
		32: {kmspb.CryptoKeyVersion_AES_256_GCM, kmspb.CryptoKeyVersion_AES_256_CBC, kmspb.CryptoKeyVersion_AES_256_CTR, hmac256},
		20: {kmspb.CryptoKeyVersion_HMAC_SHA1}, 28: {kmspb.CryptoKeyVersion_HMAC_SHA224},
		48: {kmspb.CryptoKeyVersion_HMAC_SHA384}, 64: {kmspb.CryptoKeyVersion_HMAC_SHA512},
	} {
		for _, a := range some {
			out[a] = emutest.Random(size)
		}
	}
	return out
}

func TestEveryAlgorithmTakesItsMaterialAndNoOther(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job := e.job("j", hybrid, inHSM)
	all := materials(t)
	if len(all) != 12+4+11+7 {
		t.Errorf("%d algorithms", len(all))
	}
	for a, material := range all {
		key := e.key(a.String(), a, inHSM)
		v := e.bring(key, a, job, material)
		if v.GetState() != kmspb.CryptoKeyVersion_ENABLED || v.GetAlgorithm() != a {
			t.Errorf("%s: %v", a, v)
		}
		for name, other := range map[string][]byte{"a byte more": append([]byte{0}, material...), "a byte less": material[1:], "half": material[:len(material)/2]} {
			if v := e.bring(key, a, job, other); v.GetState() != kmspb.CryptoKeyVersion_IMPORT_FAILED || v.GetImportFailureReason() == "" {
				t.Errorf("%s, %s: %v", a, name, v)
			}
		}
	}
}

func TestEveryMethodUnwraps(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key := e.key("k", symmetric, soft)
	for id, name := range kmspb.ImportJob_ImportMethod_name {
		m := kmspb.ImportJob_ImportMethod(id)
		if name[:4] != "RSA_" {
			_, err := e.CreateImportJob(t.Context(), &kmspb.CreateImportJobRequest{
				Parent: ring, ImportJobId: name, ImportJob: &kmspb.ImportJob{ImportMethod: m, ProtectionLevel: soft},
			})
			if err == nil {
				t.Errorf("%s was taken", name)
			}
			continue
		}
		if v := e.bring(key, symmetric, e.job(name, m, soft), emutest.Random(32)); v.GetState() != kmspb.CryptoKeyVersion_ENABLED {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestWrongWrappingEndsAsFailed(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job, sha1 := e.key("k", symmetric, soft), e.job("j", hybrid, soft), e.job("sha1", kmspb.ImportJob_RSA_OAEP_3072_SHA1_AES_256, soft)
	spoiled := wrap(t, job, emutest.Random(32))
	spoiled[len(spoiled)-1] ^= 1
	for name, wrapped := range map[string][]byte{"another hash": wrap(t, sha1, emutest.Random(32)), "spoiled": spoiled} {
		v := must(e.ImportCryptoKeyVersion(t.Context(), &kmspb.ImportCryptoKeyVersionRequest{
			Parent: key, Algorithm: symmetric, ImportJob: job.GetName(), WrappedKey: wrapped,
		}))(t)
		e.wantState(v.GetName(), kmspb.CryptoKeyVersion_IMPORT_FAILED)
		if v := e.version(v.GetName()); !v.GetReimportEligible() || v.GetImportTime() != nil {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// Rule 25 of the judges: the digest is remembered past failures and destruction.
func TestReimportIsOfTheSame(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key := e.key("k", symmetric, soft)
	material := emutest.Random(32)
	v := e.bring(key, symmetric, e.job("before", hybrid, soft), material)
	must(e.DestroyCryptoKeyVersion(t.Context(), &kmspb.DestroyCryptoKeyVersionRequest{Name: v.GetName()}))(t)
	e.wantState(v.GetName(), kmspb.CryptoKeyVersion_DESTROY_SCHEDULED)
	e.advance(30 * 24 * time.Hour)
	e.wantState(v.GetName(), kmspb.CryptoKeyVersion_DESTROYED)
	job := e.job("after", hybrid, soft)
	for _, tt := range []struct {
		material []byte
		want     kmspb.CryptoKeyVersion_CryptoKeyVersionState
	}{
		{emutest.Random(32), kmspb.CryptoKeyVersion_IMPORT_FAILED},
		{material, kmspb.CryptoKeyVersion_ENABLED},
	} {
		r := request(t, key, symmetric, job, tt.material)
		r.CryptoKeyVersion = v.GetName()
		must(e.ImportCryptoKeyVersion(t.Context(), r))(t)
		e.wantState(v.GetName(), tt.want)
	}
	report := must(e.admin.Report(t.Context()))(t)
	sum := sha256.Sum256(material)
	if m := report.Materials[hex.EncodeToString(sum[:])]; m.Imports != 2 || m.Versions != 1 || len(report.Twins) != 0 {
		t.Errorf("reported as %+v", report)
	}
}

// A thousand versions in a row, and at once: each has its number.
func TestManyImportsAtOnce(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	key, job := e.key("k", symmetric, soft), e.job("j", hybrid, soft)
	const many = 40
	var all sync.WaitGroup
	for range many {
		r := request(t, key, symmetric, job, emutest.Random(32))
		all.Go(func() {
			if _, err := e.ImportCryptoKeyVersion(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	e.configure(gcpemu.Change{Settings: &gcpemu.Settings{PageSize: 7}})
	for it := e.ListCryptoKeyVersions(t.Context(), &kmspb.ListCryptoKeyVersionsRequest{Parent: key}); ; {
		v, err := it.Next()
		if err == iterator.Done { //nolint:errorlint // as the iterator promises
			break
		}
		seen[must(v, err)(t).GetName()] = true
	}
	if len(seen) != many || !seen[key+"/cryptoKeyVersions/40"] {
		t.Errorf("%d versions", len(seen))
	}
	if r := must(e.admin.Report(t.Context()))(t); r.Names["k"] != (faults.NameReport{Keys: 1, Versions: many}) {
		t.Errorf("reported as %+v", r.Names)
	}
}

func TestTheReportCountsOrphansAndTwins(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job, material := e.job("j", hybrid, soft), emutest.Random(32)
	for _, id := range []string{"a", "b"} {
		e.bring(e.key(id, symmetric, soft), symmetric, job, material)
	}
	e.key("orphan", symmetric, soft)
	gone := e.bring(e.key("gone", symmetric, soft), symmetric, job, emutest.Random(32))
	must(e.DestroyCryptoKeyVersion(t.Context(), &kmspb.DestroyCryptoKeyVersionRequest{Name: gone.GetName()}))(t)
	made := newKey("theirs", symmetric, soft)
	made.CryptoKey.ImportOnly, made.SkipInitialVersionCreation = false, false
	must(e.CreateCryptoKey(t.Context(), made))(t)
	r := must(e.admin.Report(t.Context()))(t)
	if len(r.Twins) != 1 || len(r.Orphans) != 1 || r.Orphans[0] != ring+"/cryptoKeys/orphan" {
		t.Errorf("twins %v, orphans %v", r.Twins, r.Orphans)
	}
	for _, k := range r.Keys {
		want := map[string]string{"a": "ENABLED", "b": "ENABLED", "orphan": "", "gone": "DESTROY_SCHEDULED", "theirs": "ENABLED"}[k.Name]
		if k.State != want || k.Pending != (k.Name == "gone") || (k.Origin == "GOOGLE") != (k.Name == "theirs") {
			t.Errorf("reported as %+v", k)
		}
	}
	if err := e.admin.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(e.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring}))(t)
	_, err := e.GetCryptoKey(t.Context(), &kmspb.GetCryptoKeyRequest{Name: ring + "/cryptoKeys/a"})
	refused(t, err, codes.NotFound, "not found")
}

// A pair's material is the same however its PKCS#8 is written.
func TestPairsAreTheSameInOtherEncodings(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job := e.job("j", hybrid, soft)
	private, material := emutest.EC(t, elliptic.P256())
	bare := emutest.ECDER(t, emutest.OIDP256, must(private.Bytes())(t), nil)
	e.bring(e.key("a", p256, soft), p256, job, material)
	e.bring(e.key("b", p256, soft), p256, job, bare)
	if r := must(e.admin.Report(t.Context()))(t); len(r.Twins) != 1 || len(r.Materials) != 2 {
		t.Errorf("twins %v", r.Twins)
	}
}

func bitsIn(name string) int {
	for text, bits := range map[string]int{"2048": 2048, "3072": 3072, "4096": 4096} {
		if strings.HasPrefix(name, "RSA_") && strings.Contains(name, text) {
			return bits
		}
	}
	return 0
}

// Without a pool each job has a wrapping key of its own.
func TestJobsHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 2 {
		key := must(rsa.GenerateKey(rand.Reader, 3072))(t)
		write(t, filepath.Join(dir, "rsa-3072-"+string(rune('a'+i))+".pk8"), must(x509.MarshalPKCS8PrivateKey(key))(t))
	}
	e := start(t, gcpemu.Config{PoolDir: dir})
	if e.job("a", hybrid, soft).GetPublicKey().GetPem() == e.job("b", hybrid, soft).GetPublicKey().GetPem() {
		t.Error("two jobs have one key")
	}
}
