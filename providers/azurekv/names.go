package azurekv

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// Shapes of names ("About keys, secrets, and certificates").
var (
	nameShape    = lazyregexp.New(`^[0-9a-zA-Z-]{1,127}$`)
	versionShape = lazyregexp.New(`^[0-9a-f]{32}$`)
)

// keyID is a key's id without a version: what consumers use.
func (p *Provider) keyID(name string) string { return p.c.VaultURL + "/keys/" + strings.ToLower(name) }

// versionID is a version's whole id (kid); the key's where it names none.
func versionID(v broker.VersionRef) string {
	if v.ID == "" {
		return v.Key.ID
	}
	return v.Key.ID + "/" + v.ID
}

// isKeyID reports whether a text has the form of an id, of any vault.
func isKeyID(id string) bool {
	u, err := url.Parse(id)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

// parse takes an id apart, and refuses one of another vault as Tampered. Identifiers
// compare without case.
func (p *Provider) parse(id string) (broker.VersionRef, error) {
	u, err := url.Parse(strings.ToLower(id))
	if err != nil || u.Scheme+"://"+plainHost(u.Host) != p.c.VaultURL || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return broker.VersionRef{}, p.foreign(id, "it is in another vault than "+p.c.VaultURL)
	}
	part := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	switch {
	case len(part) < 2 || len(part) > 3 || part[0] != "keys" || !nameShape().MatchString(part[1]):
		return broker.VersionRef{}, p.foreign(id, "it is not the id of a key")
	case len(part) == 3 && !versionShape().MatchString(part[2]):
		return broker.VersionRef{}, p.foreign(id, "it is not the id of a version")
	}
	v := broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(part[1])}}
	if len(part) == 3 {
		v.ID = part[2]
	}
	return v, nil
}

func (p *Provider) foreign(id, why string) error {
	return &broker.Error{Kind: broker.Tampered, Op: "read an answer about", Object: cmp.Or(plain(id), p.c.VaultURL), Cause: fmt.Errorf("%s", why)}
}

// nameOf is the name of a key of this vault: Tampered where it is another's, Misuse
// where the id is that of a version.
func (p *Provider) nameOf(key broker.KeyRef) (string, error) {
	v, err := p.parse(key.ID)
	if err != nil {
		return "", err
	}
	if v.ID != "" {
		return "", refuse(broker.Misuse, "address", key.ID, "it names a version, not a key")
	}
	return strings.TrimPrefix(v.Key.ID, p.c.VaultURL+"/keys/"), nil
}

// expect holds the id in an answer to a changing call against what was asked for;
// without a version any version of the key.
func (p *Provider) expect(c call, kid *azkeys.ID, want broker.VersionRef) (broker.VersionRef, error) {
	if kid == nil {
		return broker.VersionRef{}, incomplete(c, "names no version")
	}
	got, err := p.parse(string(*kid))
	if err != nil {
		return broker.VersionRef{}, err
	}
	if got.ID == "" {
		return broker.VersionRef{}, incomplete(c, "names no version")
	}
	if got.Key != want.Key || want.ID != "" && got.ID != want.ID {
		return broker.VersionRef{}, p.foreign(string(*kid), "asked for was "+versionID(want))
	}
	return got, nil
}
