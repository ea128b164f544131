package awskms_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/awskms"
)

// as is a target at which everything is done as one role.
func (r *restricted) as(t *testing.T, role string) *awskms.Provider {
	t.Helper()
	return adapter(t, r.server.URL(), func(c *awskms.Config) {
		*c = r.config
		c.RoleARN, c.ProofRoleARN = role, ""
	})
}

// TestEachRoleDoesItsPart: what imports cannot use a key, and what uses keys can do
// nothing else.
func TestEachRoleDoesItsPart(t *testing.T) {
	t.Parallel()
	r := restrict(t, "primaries")
	r.without(t, "")
	uses := []string{"prove HMAC keys", "prove agreement keys", "prove decryption keys", "prove signing keys"}
	for role, may := range map[string]func(name string) bool{
		importer: func(name string) bool { return !slices.Contains(uses, name) },
		prover:   func(name string) bool { return slices.Contains(uses, name) },
	} {
		p := r.as(t, role)
		for name, run := range r.line(t) {
			switch err := run(t.Context(), p); {
			case may(name) && err != nil:
				t.Errorf("%s, %s: %v", role, name, err)
			case !may(name) && broker.KindOf(err) != broker.Denied:
				t.Errorf("%s may %s: %v", role, name, err)
			}
		}
	}
}

// TestImportingRoleCannotUseKeys by any operation that there is, as AWS's own client
// asks for them.
func TestImportingRoleCannotUseKeys(t *testing.T) {
	t.Parallel()
	r := restrict(t, "replicas")
	r.without(t, "")
	c := r.assumed(t, importer)
	key := func(name string) *string { return new(r.proofs[name].v.Key.ID) }
	pair, mac, text := types.SigningAlgorithmSpecEcdsaSha256, types.MacAlgorithmSpecHmacSha256, []byte("x")
	uses := map[string]func() error{
		"Encrypt": func() error {
			return second(c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key("prove symmetric keys"), Plaintext: text}))
		},
		"Decrypt": func() error {
			return second(c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: key("prove decryption keys"), CiphertextBlob: text}))
		},
		"Sign": func() error {
			return second(c.Sign(t.Context(), &kms.SignInput{KeyId: key("prove signing keys"), Message: text, SigningAlgorithm: pair}))
		},
		"Verify": func() error {
			return second(c.Verify(t.Context(), &kms.VerifyInput{KeyId: key("prove signing keys"), Message: text, Signature: text, SigningAlgorithm: pair}))
		},
		"GenerateMac": func() error {
			return second(c.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: key("prove HMAC keys"), Message: text, MacAlgorithm: mac}))
		},
		"VerifyMac": func() error {
			return second(c.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: key("prove HMAC keys"), Message: text, Mac: text, MacAlgorithm: mac}))
		},
		"DeriveSharedSecret": func() error {
			return second(c.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{
				KeyId: key("prove agreement keys"), PublicKey: text, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh,
			}))
		},
		"GetPublicKey": func() error {
			return second(c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: key("prove signing keys")}))
		},
	}
	for name, use := range uses {
		err := use()
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != "AccessDeniedException" || !strings.Contains(api.ErrorMessage(), "kms:"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[O any](_ *O, err error) error { return err }

// assumed is AWS's own client as a role.
func (r *restricted) assumed(t *testing.T, role string) *kms.Client {
	t.Helper()
	out, err := sts.New(sts.Options{Region: region, BaseEndpoint: new(r.server.URL()), Credentials: static(r.key)}).
		AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	session := awsemu.AccessKey{ID: *out.Credentials.AccessKeyId, Secret: *out.Credentials.SecretAccessKey, Session: *out.Credentials.SessionToken}
	return kms.New(kms.Options{
		Region: r.config.Region, BaseEndpoint: new(r.server.URL()), Credentials: static(session), Retryer: aws.NopRetryer{},
	})
}

// TestOnlyTheLeastIsAllowed: what the adapter could do, and no command asks for, is not
// on the lists, and is denied.
func TestOnlyTheLeastIsAllowed(t *testing.T) {
	t.Parallel()
	r := restrict(t, "one role")
	p := r.without(t, "")
	v := r.proofs["prove HMAC keys"].v
	for kind, permission := range map[broker.ActionKind]string{
		broker.Disable: "kms:DisableKey", broker.Enable: "kms:EnableKey",
		broker.DeleteMaterial: "kms:DeleteImportedKeyMaterial", broker.Cancel: "kms:CancelKeyDeletion",
	} {
		_, err := p.Do(t.Context(), effect(broker.StepActivate), v, broker.Action{Kind: kind})
		if e := inWords(t, err); e.Kind != broker.Denied || e.Permission != permission {
			t.Errorf("%s: %v", kind, err)
		}
		if !slices.ContainsFunc(p.Capabilities().Permissions, func(p broker.Permission) bool { return p.Action == permission && p.Later }) {
			t.Errorf("%s is not said to be for later", permission)
		}
	}
}

// TestProofRole: proofs are asked for as that role alone, with its own external id;
// whoever keyferry is to AWS, stays the importing one.
func TestProofRole(t *testing.T) {
	t.Parallel()
	r := restrict(t, "primaries")
	r.without(t, "")
	if err := r.emulated.admin.Configure(t.Context(), awsemu.Change{Roles: []awsemu.Role{{ARN: prover, ExternalID: "p-1", Allow: []string{"kms:GenerateMac"}}}}); err != nil {
		t.Fatal(err)
	}
	open := func(externalID string) *awskms.Provider {
		return adapter(t, r.server.URL(), func(c *awskms.Config) { *c = r.config; c.ProofExternalID = externalID })
	}
	p, mac := open("p-1"), r.proofs["prove HMAC keys"]
	if err := mac.run(t.Context(), p); err != nil {
		t.Errorf("prove: %v", err)
	}
	id, err := p.Identify(t.Context())
	if err != nil || !strings.Contains(id.Principal, ":assumed-role/importer/") {
		t.Errorf("it is %s, %v", id.Principal, err)
	}
	if id, err := p.IdentifyProof(t.Context()); err != nil || !strings.Contains(id.Principal, ":assumed-role/prover/") || id.Account != account {
		t.Errorf("it proves as %+v, %v", id, err)
	}
	if id, err := r.as(t, importer).IdentifyProof(t.Context()); err != nil || id != (broker.Identity{}) {
		t.Errorf("without a proof role it proves as %+v, %v", id, err)
	}
	if _, err := open("p-2").IdentifyProof(t.Context()); inWords(t, err).Permission != "sts:AssumeRole" || !strings.Contains(err.Error(), prover) {
		t.Errorf("identified with another external id: %v", err)
	}
	if err := mac.run(t.Context(), open("p-2")); inWords(t, err).Permission != "sts:AssumeRole" {
		t.Errorf("with another external id: %v", err)
	}
	if err := prepare(t, open("p-2")); err != nil {
		t.Errorf("importing needs no proof role: %v", err)
	}
	imports, proves := r.keysUsed(t, "CreateKey"), r.keysUsed(t, "GenerateMac")
	if len(proves) == 0 || slices.ContainsFunc(proves, func(key string) bool { return slices.Contains(imports, key) }) {
		t.Errorf("importing by %v, proving by %v", imports, proves)
	}
}

// keysUsed are the access keys that sent an action.
func (r *restricted) keysUsed(t *testing.T, action string) []string {
	t.Helper()
	calls, err := r.emulated.admin.Calls(t.Context(), faults.CallQuery{Match: faults.Match{Action: action}})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, c := range calls {
		if c.AccessKey != r.server.Credentials().ID {
			keys = append(keys, c.AccessKey)
		}
	}
	return keys
}
