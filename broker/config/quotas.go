package config

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/keyferry/keyferry/broker"
)

// Quotas are calls a second, by the name of a quota or of a call that it is of.
type Quotas map[string]float64

// quotaNames are a target's quotas with the calls that they are of, where those are not
// called as the quota is. cmd holds them against what the adapters say.
func quotaNames(t Target) map[string][]string {
	return map[string]map[string][]string{AWS: awsQuotas(), GCP: gcpQuotas(), Azure: azureQuotas(t)}[t.Provider]
}

func awsQuotas() map[string][]string {
	out := map[string][]string{"cryptographic": {"Sign", "Decrypt", "DeriveSharedSecret", "GenerateMac"}}
	for _, call := range []string{
		"GetParametersForImport", "CreateKey", "ReplicateKey", "ImportKeyMaterial", "DeleteImportedKeyMaterial", "CreateAlias", "UpdateAlias",
		"DeleteAlias", "EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "ListKeys", "ListAliases", "GetKeyPolicy",
		"DescribeKey", "GetPublicKey", "ListResourceTags",
	} {
		out[call] = nil
	}
	return out
}

func gcpQuotas() map[string][]string {
	return map[string][]string{
		"write": {
			"CreateCryptoKey", "CreateImportJob", "ImportCryptoKeyVersion", "UpdateCryptoKeyPrimaryVersion", "UpdateCryptoKeyVersion",
			"DestroyCryptoKeyVersion", "RestoreCryptoKeyVersion",
		},
		"read": {
			"GetKeyRing", "GetLocation", "GetCryptoKey", "GetCryptoKeyVersion", "GetImportJob", "GetPublicKey", "ListCryptoKeys", "ListCryptoKeyVersions",
		},
		"cryptographic": {"AsymmetricSign", "AsymmetricDecrypt", "MacSign", "RawDecrypt", "Decrypt"},
	}
}

func azureQuotas(t Target) map[string][]string {
	reads := []string{"GetKey", "ListKeys", "ListKeyVersions", "GetDeletedKey", "ListDeletedKeys", "UpdateKey"}
	deletes, uses := []string{"DeleteKey", "RecoverDeletedKey"}, []string{"Sign", "Decrypt"}
	switch {
	case t.Kind == "managed-hsm":
		return map[string][]string{"create": {"CreateKey", "ImportKey"}, "delete": deletes, "other": reads, "cryptographic": uses}
	case t.Protection == "software":
		return map[string][]string{
			"create": {"CreateKey"}, "create-software": {"ImportKey"}, "other": append(reads, deletes...), "cryptographic-software": uses,
		}
	default:
		return map[string][]string{"create": {"CreateKey", "ImportKey"}, "other": append(reads, deletes...), "cryptographic": uses}
	}
}

// QuotaNames are the words that a target may give figures for.
func QuotaNames(t Target) []string {
	words := []string{broker.EveryQuota}
	for name, calls := range quotaNames(t) {
		words = append(append(words, name), calls...)
	}
	slices.Sort(words)
	return words
}

// quotas decodes numbers; whose they are is checked when the target is known.
func (d *decoder) quotas(node ast.Node, s slot) {
	out := Quotas{}
	ok := d.each(node, s.path, func(key string, value ast.Node) {
		word, _ := text(value)
		figure, err := strconv.ParseFloat(word, 64)
		if err != nil || !(figure > 0 && figure <= maxQuota) { // not a number is neither
			d.fault(position(value), "%s: %.80q is not %s", join(s.path, key), word, quotaWords)
			return
		}
		d.places[join(s.path, key)] = d.keyPosition(node, key)
		out[key] = figure
	})
	if !ok {
		d.fault(position(node), "%s must be a mapping of names of quotas to calls a second", s.path)
		return
	}
	s.value.Set(reflect.ValueOf(out))
}

// maxQuota is more than any provider grants.
const (
	maxQuota   = 1_000_000
	quotaWords = "a number of calls a second, more than 0 and at most 1000000"
)

// checkQuotas: each name is one that the provider knows, no quota is named twice, and
// targets that share an account and place, and so its quotas, say the same of them.
func (d *decoder) checkQuotas(path string, t Target, before []Target) {
	if !slices.Contains(providers(), t.Provider) {
		return // reported
	}
	words, given := QuotaNames(t), map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(t.Quotas)) {
		at, quota := join(path, name), quotaOf(t, name)
		switch other, twice := given[quota]; {
		case !slices.Contains(words, name):
			d.faultAt(at, "%s: %s has no quota or call of that name; %s", at, t.Provider, orNear(name, words))
		case twice:
			d.faultAt(at, "%s: it is the same quota as %s; give one of them", at, other)
		default:
			given[quota] = name
			d.checkShared(at, quota, t, before)
		}
	}
}

func (d *decoder) checkShared(at, quota string, t Target, before []Target) {
	said := func(t Target) (figure float64, ok bool) {
		for name, figure := range t.Quotas {
			if quotaOf(t, name) == quota {
				return figure, true
			}
		}
		return 0, false
	}
	now, _ := said(t)
	for _, b := range before {
		if figure, ok := said(b); ok && SharesQuotas(b, t) && figure != now {
			d.faultAt(at, "%s: target %s is at the same account and place, which has it once, and says %g", at, b.Name, figure)
		}
	}
}

// quotaOf is the quota that a name is, or is of.
func quotaOf(t Target, name string) string {
	for quota, calls := range quotaNames(t) {
		if quota == name || slices.Contains(calls, name) {
			return quota
		}
	}
	return name
}

// SharesQuotas reports whether two targets are at one account and place, as their
// provider counts: account and region, project and location, or vault.
func SharesQuotas(a, b Target) bool { return a.QuotaPlace() == b.QuotaPlace() }

// QuotaPlace names what a target's quotas are counted by.
func (t Target) QuotaPlace() string {
	vault := strings.ToLower(t.Vault)
	if u, err := url.Parse(vault); err == nil {
		vault = strings.TrimSuffix(u.Host, ":443")
	}
	return fmt.Sprintf("%s %s %s %s", t.Provider, t.Account+t.Project, t.Region+t.Location, vault)
}
