package azurekv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// waysOut of a name that is deleted and not free.
func waysOut(name string) string {
	out := fmt.Sprintf("recover it (az keyvault key recover --name %s) or purge it (az keyvault key purge --name %s, unless the vault is protected from that)", name, name)
	if name == kekName {
		return out
	}
	return out + ", or import under another name"
}

// denial finds the data action that a refusal names.
var denial = lazyregexp.New(`Microsoft\.KeyVault/[A-Za-z]+/keys/[A-Za-z/]+`)

// elsewhereDecided are inner codes of refusals that no data action lifts.
var elsewhereDecided = []string{"ForbiddenByFirewall", "ForbiddenByConnection", "ForbiddenByPolicy"}

// missing is the data action that a refusal is about; "" where it is about the
// credentials themselves, or the network.
func (p *Provider) missing(c call, a *answer) string {
	if a == nil || a.status != http.StatusForbidden || slices.Contains(elsewhereDecided, a.inner) {
		return ""
	}
	if named := denial().FindString(a.message); named != "" {
		return named
	}
	return p.c.actionOf(c.name)
}

// maxSkew is how far a token's times may be off.
const maxSkew = 5 * time.Minute

// advice tells the usual reasons for a refusal apart.
func advice(rec *record, err error, a *answer) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "nothing was sent; check the vault, and the CA that the target's config names"
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return "nothing was sent to the vault; check the credentials and the tenant in the target's config"
	}
	if a != nil && slices.Contains(elsewhereDecided, a.inner) {
		return "the vault's network settings or policies refuse it, not its roles: az keyvault show, networkAcls"
	}
	if at := rec.receipt.ServerTime; !at.IsZero() && rec.localTime.Sub(at).Abs() > maxSkew {
		return fmt.Sprintf("this machine's clock is %s off the provider's: set it right", rec.localTime.Sub(at).Round(time.Second))
	}
	return ""
}

// remedy is what a person can do where nothing was sent, not even once.
func remedy(rec *record, err error) string {
	if rec.sent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "nothing was sent; check the target's vault and authority, and the network, and try again"
	}
	return "give this process credentials of the target's tenant: credentials in the target's config, or what the SDK's default chain finds"
}

// whenAgain a throttled call may be made: as the vault says, or who gives its tokens.
func whenAgain(rec *record, err error) time.Duration {
	if refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && refused.RawResponse != nil {
		return retryAfter(refused.RawResponse.Header, rec.localTime)
	}
	return rec.retryAfter
}
