package gcpemu_test

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// ids are the last parts of the names in a list.
func ids[T interface{ GetName() string }](t *testing.T, all iter.Seq2[T, error]) (out []string) {
	t.Helper()
	for one, err := range all {
		name := must(one, err)(t).GetName()
		out = append(out, name[strings.LastIndex(name, "/")+1:])
	}
	return out
}

func wantIDs(t *testing.T, got []string, want string) {
	t.Helper()
	if !slices.Equal(got, strings.Fields(want)) {
		t.Errorf("listed %v, want %s", got, want)
	}
}

func TestListsHavePagesInOrder(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{Settings: gcpemu.Settings{PageSize: 2}})
	at := "projects/keyferry-emulator/locations/global"
	for _, id := range []string{"c", "a", "b"} {
		must(e.CreateKeyRing(t.Context(), &kmspb.CreateKeyRingRequest{Parent: at, KeyRingId: id, KeyRing: &kmspb.KeyRing{}}))(t)
		e.key(id, symmetric, soft)
		e.job(id, hybrid, soft)
	}
	wantIDs(t, ids(t, e.ListKeyRings(t.Context(), &kmspb.ListKeyRingsRequest{Parent: at}).All()), "a b c")
	wantIDs(t, ids(t, e.ListCryptoKeys(t.Context(), &kmspb.ListCryptoKeysRequest{Parent: ring, PageSize: 50}).All()), "a b c")
	wantIDs(t, ids(t, e.ListImportJobs(t.Context(), &kmspb.ListImportJobsRequest{Parent: ring, PageSize: 1}).All()), "a b c")
	job := must(e.GetImportJob(t.Context(), &kmspb.GetImportJobRequest{Name: ring + "/importJobs/a"}))(t)
	for range 11 {
		e.bring(ring+"/cryptoKeys/a", symmetric, job, emutest.Random(32))
	}
	list := &kmspb.ListCryptoKeyVersionsRequest{Parent: ring + "/cryptoKeys/a"}
	wantIDs(t, ids(t, e.ListCryptoKeyVersions(t.Context(), list).All()), "1 2 3 4 5 6 7 8 9 10 11")
}

func TestFiltersSelect(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	job := e.job("j", hybrid, soft)
	key := e.key("k", symmetric, soft)
	for _, size := range []int{32, 31, 32} {
		e.bring(key, symmetric, job, emutest.Random(size))
	}
	mac := newKey("mac", hmac256, soft)
	mac.CryptoKey.Labels = map[string]string{"team": "red"}
	must(e.CreateCryptoKey(t.Context(), mac))(t)
	for filter, want := range map[string]string{
		"state=ENABLED":                           "1 3",
		"state!=ENABLED":                          "2",
		"name:cryptoKeyVersions/3":                "3",
		`import_job="` + job.GetName() + `"`:      "1 2 3",
		"importJob=x":                             "",
		`importTime>"2001-01-01T00:00:00Z"`:       "1 3",
		"state=ENABLED AND protection_level=HSM":  "",
		`create_time>="2001-01-01T00:00:00Z"`:     "1 2 3",
		`create_time<="2001-01-01T00:00:00Z"`:     "",
		`create_time="2001-01-01T00:00:00Z"`:      "",
		"algorithm = GOOGLE_SYMMETRIC_ENCRYPTION": "1 2 3",
	} {
		list := &kmspb.ListCryptoKeyVersionsRequest{Parent: key, Filter: filter}
		wantIDs(t, ids(t, e.ListCryptoKeyVersions(t.Context(), list).All()), want)
	}
	for filter, want := range map[string]string{"purpose=MAC": "mac", "labels.team=red": "mac", "labels.team=blue": ""} {
		wantIDs(t, ids(t, e.ListCryptoKeys(t.Context(), &kmspb.ListCryptoKeysRequest{Parent: ring, Filter: filter}).All()), want)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	e.key("k", symmetric, soft)
	for filter, code := range map[string]codes.Code{
		"purpose":                codes.InvalidArgument,
		"purpose>MAC":            codes.InvalidArgument,
		"createTime>yesterday":   codes.InvalidArgument,
		"colour=red":             codes.Unimplemented,
		"purpose=MAC OR name=k":  codes.InvalidArgument,
		`createTime:"2001-01-01`: codes.InvalidArgument,
	} {
		_, err := e.ListCryptoKeys(t.Context(), &kmspb.ListCryptoKeysRequest{Parent: ring, Filter: filter}).Next()
		refused(t, err, code)
	}
	for _, r := range []*kmspb.ListCryptoKeysRequest{
		{Parent: ring, PageToken: "x"},
		{Parent: ring, PageSize: -1},
		{Parent: ring + "/"},
	} {
		_, err := e.ListCryptoKeys(t.Context(), r).Next()
		refused(t, err, codes.InvalidArgument)
	}
	_, err := e.ListKeyRings(t.Context(), &kmspb.ListKeyRingsRequest{Parent: "projects/keyferry-emulator/locations/moon"}).Next()
	refused(t, err, codes.NotFound)
	_, err = e.GetLocation(t.Context(), &location.GetLocationRequest{Name: "projects/keyferry-emulator/locations/moon"})
	refused(t, err, codes.NotFound)
}
