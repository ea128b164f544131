package gcpemu_test

import (
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// bare is a client without what Google's client adds, on the plain port.
func (e *emulator) bare() kmspb.KeyManagementServiceClient {
	e.Helper()
	conn := must(grpc.NewClient(e.server.PlainAddr(), grpc.WithTransportCredentials(insecure.NewCredentials())))(e.T)
	e.Cleanup(func() { _ = conn.Close() })
	return kmspb.NewKeyManagementServiceClient(conn)
}

func TestHeadersAreAsserted(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	auth := "Bearer " + e.server.AccessToken(e.server.Email())
	for name, tt := range map[string]struct {
		pairs   []string
		lenient bool
		code    codes.Code
	}{
		"all":                  {pairs: []string{"authorization", auth, "x-goog-request-params", "name=" + ring, "x-goog-api-client", "gl-go"}},
		"no routing":           {pairs: []string{"authorization", auth, "x-goog-api-client", "gl-go"}, code: codes.InvalidArgument},
		"routed elsewhere":     {pairs: []string{"authorization", auth, "x-goog-request-params", "name=x", "x-goog-api-client", "gl-go"}, code: codes.InvalidArgument},
		"routed by nothing":    {pairs: []string{"authorization", auth, "x-goog-request-params", "%", "x-goog-api-client", "gl-go"}, code: codes.InvalidArgument},
		"no client":            {pairs: []string{"authorization", auth, "x-goog-request-params", "name=" + ring}, code: codes.InvalidArgument},
		"no client, leniently": {pairs: []string{"authorization", auth, "x-goog-request-params", "name=" + ring}, lenient: true},
		"nobody":               {pairs: []string{"x-goog-request-params", "name=" + ring, "x-goog-api-client", "gl-go"}, code: codes.Unauthenticated},
		"basic":                {pairs: []string{"authorization", "Basic x", "x-goog-request-params", "name=" + ring}, code: codes.Unauthenticated},
	} {
		e.configure(gcpemu.Change{Settings: &gcpemu.Settings{Lenient: tt.lenient}})
		var header metadata.MD
		_, err := e.bare().GetKeyRing(metadata.AppendToOutgoingContext(t.Context(), tt.pairs...), &kmspb.GetKeyRingRequest{Name: ring}, grpc.Header(&header))
		if (err == nil) != (tt.code == codes.OK) {
			t.Errorf("%s: %v", name, err)
		} else if err != nil {
			refused(t, err, tt.code)
		}
		if got := header.Get("server"); len(got) != 1 || got[0] != "keyferry-emulator" || len(header.Get("date")) != 1 {
			t.Errorf("%s: header %v", name, header)
		}
	}
}

func TestWhatIsNotModelledIsRefused(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	_, err := e.GenerateRandomBytes(t.Context(), &kmspb.GenerateRandomBytesRequest{Location: "projects/keyferry-emulator/locations/global"})
	refused(t, err, codes.Unimplemented, "GenerateRandomBytes")
	made := newKey("k", symmetric, soft)
	made.CryptoKey.CryptoKeyBackend = "x"
	_, err = e.CreateCryptoKey(t.Context(), made)
	refused(t, err, codes.Unimplemented, "crypto_key.crypto_key_backend")
	unknown := &kmspb.GetKeyRingRequest{Name: ring}
	unknown.ProtoReflect().SetUnknown([]byte{0xfa, 0x3e, 0x01, 'x'}) // field 1007
	_, err = e.GetKeyRing(t.Context(), unknown)
	refused(t, err, codes.Unimplemented, "unknown")
	_, err = e.UpdateCryptoKey(t.Context(), &kmspb.UpdateCryptoKeyRequest{
		CryptoKey: &kmspb.CryptoKey{Name: e.key("k", symmetric, soft)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rotation_period"}},
	})
	refused(t, err, codes.Unimplemented, "rotation_period")
}

// What a client reads it may send back to be changed.
func TestReadModifyWrite(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	name := e.bring(e.key("k", p256, inHSM), p256, e.job("j", hybrid, inHSM), materials(t)[p256]).GetName()
	v := e.version(name)
	if v.GetAttestation() == nil {
		t.Error("no attestation")
	}
	v.State = kmspb.CryptoKeyVersion_DISABLED
	must(e.UpdateCryptoKeyVersion(t.Context(), &kmspb.UpdateCryptoKeyVersionRequest{
		CryptoKeyVersion: v, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	}))(t)
	e.wantState(name, kmspb.CryptoKeyVersion_DISABLED)
	k := must(e.GetCryptoKey(t.Context(), &kmspb.GetCryptoKeyRequest{Name: ring + "/cryptoKeys/k"}))(t)
	k.Labels = map[string]string{"a": "b"}
	got := must(e.UpdateCryptoKey(t.Context(), &kmspb.UpdateCryptoKeyRequest{CryptoKey: k, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}}))(t)
	if !proto.Equal(got, k) {
		t.Errorf("got %v, want %v", got, k)
	}
}

func TestLocationsAreShown(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	got := map[string]bool{}
	for l, err := range e.ListLocations(t.Context(), &location.ListLocationsRequest{Name: "projects/" + e.server.Project(), PageSize: 2}).All() {
		var m kmspb.LocationMetadata
		if err := must(l, err)(t).GetMetadata().UnmarshalTo(&m); err != nil {
			t.Fatal(err)
		}
		got[l.GetLocationId()] = m.GetHsmAvailable()
	}
	for _, l := range gcpemu.DefaultLocations() {
		if hsm, ok := got[l.ID]; !ok || hsm != l.HSM {
			t.Errorf("%s: %t, %t", l.ID, hsm, ok)
		}
	}
}

// A dropped call takes those with it that share its connection, and no others.
func TestADropEndsOneConnection(t *testing.T) {
	t.Parallel()
	e := start(t, gcpemu.Config{})
	other := client(t, e.server, e.server.Email())
	get := &kmspb.GetKeyRingRequest{Name: ring}
	must(other.GetKeyRing(t.Context(), get))(t)
	id := e.fault("ListKeyRings", faults.Rule{Kind: faults.Hold})
	done := make(chan error, 1)
	go func() {
		_, err := other.ListKeyRings(t.Context(), &kmspb.ListKeyRingsRequest{Parent: ring[:len(ring)-len("/keyRings/keyferry")]}).Next()
		done <- err
	}()
	must(e.admin.Wait(t.Context(), faults.CallQuery{State: faults.Held}))(t)
	e.fault(importRPC, faults.Rule{Kind: faults.Drop})
	_, err := e.ImportCryptoKeyVersion(t.Context(), &kmspb.ImportCryptoKeyVersionRequest{Parent: ring + "/cryptoKeys/k"})
	refused(t, err, codes.Unavailable)
	if err := e.admin.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the other client's call: %v", err)
	}
}
