package gcpemu_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// A name that matches is the shape with the ids in the place of its stars.
func FuzzResourceNames(f *testing.F) {
	f.Add(ring + "/cryptoKeys/k/cryptoKeyVersions/1")
	f.Add(ring + "/importJobs/j")
	f.Add("projects//locations/*/keyRings/")
	f.Add("")
	f.Fuzz(func(t *testing.T, name string) {
		matched := 0
		for _, shape := range gcpemu.Shapes() {
			ids, ok := gcpemu.Match(shape, name)
			if !ok {
				continue
			}
			matched++
			parts := strings.Split(shape, "/")
			for i := range parts {
				if parts[i] == "*" {
					parts[i], ids = ids[0], ids[1:]
				}
			}
			if again := strings.Join(parts, "/"); again != name || len(ids) != 0 {
				t.Errorf("%q is %q as %s", name, again, shape)
			}
		}
		if matched > 1 {
			t.Errorf("%q has %d shapes", name, matched)
		}
	})
}

func FuzzJWT(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA")
	f.Add("..")
	f.Add("a.b.c.d")
	f.Fuzz(func(t *testing.T, text string) {
		signed, err := gcpemu.ParseJWT(text)
		if err == nil && !strings.HasPrefix(text, signed+".") {
			t.Errorf("%q signs %q", text, signed)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{"", "state=ENABLED", `import_job="x y" AND state != A`, "labels.a:b", `createTime>"2001-01-01T00:00:00Z"`, "a=b OR c=d", " AND "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ok, err := gcpemu.Selects(text, map[string]any{"state": "ENABLED", "importJob": "j", "createTime": time.Unix(0, 0)})
		if ok && err != nil {
			t.Errorf("%q selects, and fails with %v", text, err)
		}
	})
}

// Whatever is imported ends, and never well by chance.
func FuzzWrappedMaterial(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range []int{0, 255, 256, 272, 256 + 40, 256 + 152, 4096} {
		f.Add(n%2 == 0, n, make([]byte, n))
	}
	algorithms := []algorithm{symmetric, p256, hmac256}
	f.Fuzz(func(t *testing.T, direct bool, i int, wrapped []byte) {
		a := algorithms[uint(i)%uint(len(algorithms))]
		if gcpemu.Outcome(key, direct, a, wrapped) == "" {
			t.Errorf("%x was taken for %s", wrapped, a)
		}
	})
}

func FuzzCiphertext(f *testing.F) {
	f.Add([]byte("keyferry emulator\x00\x00\x00\x00\x01rest"))
	f.Add([]byte("keyferry emulator\x00\xff\xff\xff\xff"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		if found, rest := gcpemu.Encrypted(1, text); found && !strings.HasSuffix(string(text), "\x01"+string(rest)) {
			t.Errorf("%q leaves %q", text, rest)
		}
	})
}

// What POST /config brings is taken or refused, as a whole.
func FuzzConfigure(f *testing.F) {
	idle := func(ca *emu.Authority) (faults.Subject, error) {
		return gcpemu.Idle(gcpemu.Config{Now: time.Now, CA: ca})
	}
	emutest.FuzzConfigures(f, idle,
		`{"settings":{"lenient":true,"quotas":true,"rates":{"write":0.5},"job_reads":2,"job_for":1.5,"import_errors":"lengths","page_size":7}}`,
		`{"principals":[{"email":"a@b","permissions":["cloudkms.importJobs.useToImport"]},{"email":""}]}`,
		`{"key_rings":["projects/p/locations/global/keyRings/r"]}`,
		`{"key_rings":["projects/p/locations/global/keyRings/r","x"]}`,
		`{"settings":{"import_errors":"?"}}`,
		`{"settings":{"import_for":-1e300}}`,
	)
}
