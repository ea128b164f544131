package azurekv

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// Shapes of names ("About keys, secrets, and certificates").
var (
	nameShape    = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	versionShape = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// keyID is a key's id without a version: what consumers use.
func (p *Provider) keyID(name string) string { return p.c.VaultURL + "/keys/" + strings.ToLower(name) }

// versionID is a version's whole id (kid).
func versionID(v broker.VersionRef) string { return v.Key.ID + "/" + v.ID }

// parse takes an id apart, and refuses one of another vault as Tampered. Identifiers
// compare without case.
func (p *Provider) parse(id string) (broker.VersionRef, error) {
	u, err := url.Parse(strings.ToLower(id))
	if err != nil || u.Scheme+"://"+u.Host != p.c.VaultURL {
		return broker.VersionRef{}, p.foreign(id, "it is in another vault than "+p.c.VaultURL)
	}
	part := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case len(part) < 2 || len(part) > 3 || part[0] != "keys" || !nameShape.MatchString(part[1]):
		return broker.VersionRef{}, p.foreign(id, "it is not the id of a key")
	case len(part) == 3 && !versionShape.MatchString(part[2]):
		return broker.VersionRef{}, p.foreign(id, "it is not the id of a version")
	}
	v := broker.VersionRef{Key: broker.KeyRef{ID: p.keyID(part[1])}}
	if len(part) == 3 {
		v.ID = part[2]
	}
	return v, nil
}

func (p *Provider) foreign(id, why string) error {
	return &broker.Error{Kind: broker.Tampered, Op: "read an answer about", Object: plain(id), Cause: fmt.Errorf("%s", why)}
}

// nameOf is the name of a key of this vault; Misuse where the id is none.
func (p *Provider) nameOf(key broker.KeyRef) (string, error) {
	v, err := p.parse(key.ID)
	if err != nil || v.ID != "" {
		return "", refuse(broker.Misuse, "address", key.ID, "it is not a key of %s", p.c.VaultURL)
	}
	return strings.TrimPrefix(v.Key.ID, p.c.VaultURL+"/keys/"), nil
}
