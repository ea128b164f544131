package azurekv_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// use is one thing that can be done with a key, by the SDK's own client; beyond the
// adapter's, what it never does.
type use func(ctx context.Context, c *azkeys.Client, name string) error

func sealed() azkeys.KeyOperationParameters {
	return azkeys.KeyOperationParameters{Algorithm: new(azkeys.EncryptionAlgorithmRSAOAEP256), Value: make([]byte, 32)}
}

// uses by the data action that each needs, below Microsoft.KeyVault/vaults/.
var uses = map[string]use{
	"keys/sign/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.Sign(ctx, name, "", azkeys.SignParameters{Algorithm: new(azkeys.SignatureAlgorithmPS256), Value: make([]byte, 32)}, nil)
		return err
	},
	"keys/verify/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.Verify(ctx, name, "", azkeys.VerifyParameters{
			Algorithm: new(azkeys.SignatureAlgorithmPS256), Digest: make([]byte, 32), Signature: make([]byte, 256),
		}, nil)
		return err
	},
	"keys/encrypt/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.Encrypt(ctx, name, "", sealed(), nil)
		return err
	},
	"keys/decrypt/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.Decrypt(ctx, name, "", sealed(), nil)
		return err
	},
	"keys/wrap/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.WrapKey(ctx, name, "", sealed(), nil)
		return err
	},
	"keys/unwrap/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.UnwrapKey(ctx, name, "", sealed(), nil)
		return err
	},
	"keys/backup/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.BackupKey(ctx, name, nil)
		return err
	},
	"keys/rotate/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.RotateKey(ctx, name, nil)
		return err
	},
	"keys/purge/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.PurgeDeletedKey(ctx, name, nil)
		return err
	},
	"keys/recover/action": func(ctx context.Context, c *azkeys.Client, name string) error {
		_, err := c.RecoverDeletedKey(ctx, name, nil)
		return err
	},
}

// words for a Managed HSM where they are others.
var hsmWords = map[string]string{"keys/purge/action": "keys/deletedKeys/delete", "keys/recover/action": "keys/deletedKeys/recover/action"}

// mayNot holds that an identity is refused a use, and for want of which action.
func mayNot(t *testing.T, c *azkeys.Client, action string, name string, run use) {
	t.Helper()
	refused, ok := errors.AsType[*azcore.ResponseError](run(t.Context(), c, name))
	if !ok || refused.StatusCode != http.StatusForbidden || !strings.Contains(refused.Error(), "'"+action+"'") {
		t.Errorf("%s: %v", action, refused)
	}
}

// TestNeitherRoleReachesFurther: who imports cannot use a key in any way that there is,
// nor take it out of the vault, have it rotated, or make an end of it for good; who
// proves can sign and decrypt, and nothing else.
func TestNeitherRoleReachesFurther(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]func(*emulated, *azurekv.Config){"vault": nil, "managed HSM": {managed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := restrict(t, change...)
			r.without(t, "")
			filled(t, r.whole(t), keyFor("uses", broker.RSA2048, broker.Decrypt))
			importing, proving := r.clientOf(t, r.knownAs(t, importer)), r.clientOf(t, r.knownAs(t, prover))
			for action, run := range uses {
				whole, rotates := "Microsoft.KeyVault/vaults/"+action, action == "keys/rotate/action"
				if name != "vault" {
					whole = "Microsoft.KeyVault/managedHsm/" + cmp.Or(hsmWords[action], action)
				}
				if rotates && name != "vault" {
					continue // a Managed HSM does not rotate
				}
				mayNot(t, importing, whole, "uses", run)
				if action != "keys/sign/action" && action != "keys/decrypt/action" {
					mayNot(t, proving, whole, "uses", run)
				}
			}
		})
	}
}
