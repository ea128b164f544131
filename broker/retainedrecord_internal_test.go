package broker

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func kept() (Retained, Key, KeyVersion, TokenSetup) {
	yes := true
	r := Retained{
		KeyID: "k", Number: 1, Store: "genesis", Material: "kf-k-1", Label: "name v1", Spec: AES256, Purpose: Encrypt, Environment: "test",
		TokenSerial: "7", Attributes: Attributes{Local: &yes}, Keeper: "keyferry-keeper-1", Wrapped: []byte{1, 2}, At: time.Unix(9, 0),
	}
	k := Key{ID: "k", Name: "name", Spec: AES256, Purpose: Encrypt, Environment: "test"}
	v := KeyVersion{KeyID: "k", Number: 1, Retain: RetainWrapped, Material: Material{ID: "kf-k-1", TokenSerial: "7", Spec: AES256}}
	return r, k, v, TokenSetup{Environment: "test"}
}

// A field that the record leaves out could be changed by whoever writes to the store.
func TestEveryFieldIsInTheRecordOfWhatIsKept(t *testing.T) {
	t.Parallel()
	r, _, _, _ := kept()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Retained]()) {
		other := r
		switch v := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index); x := v.Addr().Interface().(type) {
		case *time.Time:
			*x = x.Add(time.Microsecond)
		case *Usage:
			x.MAC = true
		case *Attributes:
			x.Private = x.Local
		case *int:
			*x = 2
		case *[]byte:
			*x = append(bytes.Clone(*x), 9)
		default:
			v.SetString(v.String() + "x")
		}
		if same := bytes.Equal(r.Record(), other.Record()); same != (field.Name == "Seal") {
			t.Errorf("another %s, the same record: %v", field.Name, same)
		}
	}
}

func TestARecordIsOfOneVersionInOneStoreOnOneToken(t *testing.T) {
	t.Parallel()
	r, k, v, setup := kept()
	if err := r.of("genesis", k, v, setup); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(r *Retained, setup *TokenSetup){
		"key":                      func(r *Retained, _ *TokenSetup) { r.KeyID = "other" },
		"version":                  func(r *Retained, _ *TokenSetup) { r.Number = 2 },
		"store":                    func(r *Retained, _ *TokenSetup) { r.Store = "other" },
		"material":                 func(r *Retained, _ *TokenSetup) { r.Material = "kf-k-2" },
		"spec":                     func(r *Retained, _ *TokenSetup) { r.Spec = HMAC256 },
		"purpose":                  func(r *Retained, _ *TokenSetup) { r.Purpose = RawEncrypt },
		"environment":              func(r *Retained, _ *TokenSetup) { r.Environment = Production },
		"environment of the token": func(_ *Retained, s *TokenSetup) { s.Environment = Production },
		"token":                    func(r *Retained, _ *TokenSetup) { r.TokenSerial = "8" },
		"public key":               func(r *Retained, _ *TokenSetup) { r.PublicKey = []byte{1} },
		"end":                      func(r *Retained, _ *TokenSetup) { r.Ended = MovedToToken },
	} {
		other, s := r, setup
		spoil(&other, &s)
		if err := other.of("genesis", k, v, s); !errors.Is(err, Tampered) || !strings.Contains(err.Error(), "its "+name+" is ") {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestASealOfAnotherTokenIsNone(t *testing.T) {
	t.Parallel()
	r, _, _, _ := kept()
	r.Seal = []byte{1, 2, 3}
	if err := r.Sealed([]byte{1, 2, 3}); err != nil {
		t.Error(err)
	}
	for _, mac := range [][]byte{nil, {1, 2, 4}, {1, 2}} {
		if err := r.Sealed(mac); !errors.Is(err, Tampered) {
			t.Errorf("%v: %v", mac, err)
		}
	}
	r.Seal = nil
	if err := r.Sealed(nil); !errors.Is(err, Tampered) {
		t.Errorf("no seal at all: %v", err)
	}
}
