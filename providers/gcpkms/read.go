package gcpkms

import (
	"context"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// Bounds of a list: Google's largest page, and more pages than a ring with a million
// keys has. A list that goes on is an endpoint that means harm, or is broken.
const (
	pageSize = 1000
	maxPages = 1000
)

// getKey reads a key of the ring.
func (p *Provider) getKey(ctx context.Context, key broker.KeyRef) (*kmspb.CryptoKey, broker.Receipt, error) {
	c := call{name: "GetCryptoKey", verb: "read key", object: key.ID}
	out, receipt, err := invoke(ctx, p, c, p.kms.GetCryptoKey, &kmspb.GetCryptoKeyRequest{Name: key.ID})
	if err == nil {
		err = p.same(c, key.ID, out.GetName())
	}
	if err == nil {
		err = p.checkPrimary(out)
	}
	return out, receipt, err
}

// checkPrimary holds the primary that a key is answered with against the key.
func (p *Provider) checkPrimary(key *kmspb.CryptoKey) error {
	if key.GetPrimary() == nil {
		return nil
	}
	return p.checkChild(key.GetName(), key.GetPrimary().GetName())
}

// checkChild: a version is one of the key's.
func (p *Provider) checkChild(key, version string) error {
	v, err := p.parseVersion(version)
	if err == nil && v.Key.ID != key {
		err = p.foreign(version, fmt.Errorf("not a version of %s", key))
	}
	return err
}

// getVersion reads one version.
func (p *Provider) getVersion(ctx context.Context, v broker.VersionRef) (*kmspb.CryptoKeyVersion, broker.Receipt, error) {
	c := call{name: "GetCryptoKeyVersion", verb: "read version", object: versionName(v)}
	out, receipt, err := invoke(ctx, p, c, p.kms.GetCryptoKeyVersion, &kmspb.GetCryptoKeyVersionRequest{Name: versionName(v)})
	if err == nil {
		err = p.same(c, versionName(v), out.GetName())
	}
	return out, receipt, err
}

// versions are those of a key, as listed.
func (p *Provider) versions(ctx context.Context, key broker.KeyRef) ([]*kmspb.CryptoKeyVersion, error) {
	c := call{name: "ListCryptoKeyVersions", verb: "list versions of", object: key.ID}
	return pages(c, func(token string) ([]*kmspb.CryptoKeyVersion, string, error) {
		out, _, err := invoke(ctx, p, c, p.kms.ListCryptoKeyVersions, &kmspb.ListCryptoKeyVersionsRequest{
			Parent: key.ID, PageSize: pageSize, PageToken: token,
		})
		for _, v := range out.GetCryptoKeyVersions() {
			if err == nil {
				err = p.checkChild(key.ID, v.GetName())
			}
		}
		return out.GetCryptoKeyVersions(), out.GetNextPageToken(), err
	})
}

// listKeys are those of the ring.
func (p *Provider) listKeys(ctx context.Context) (keys []*kmspb.CryptoKey, receipt broker.Receipt, err error) {
	c := call{name: "ListCryptoKeys", verb: "list keys of", object: p.c.ring()}
	keys, err = pages(c, func(token string) ([]*kmspb.CryptoKey, string, error) {
		var out *kmspb.ListCryptoKeysResponse
		var err error
		out, receipt, err = invoke(ctx, p, c, p.kms.ListCryptoKeys, &kmspb.ListCryptoKeysRequest{
			Parent: p.c.ring(), PageSize: pageSize, PageToken: token,
		})
		for _, key := range out.GetCryptoKeys() {
			if err == nil {
				err = p.ours(key.GetName())
			}
			if err == nil {
				err = p.checkPrimary(key)
			}
		}
		return out.GetCryptoKeys(), out.GetNextPageToken(), err
	})
	return keys, receipt, err
}

// pages collects a list. A page may be short or empty: only the token says whether
// there is another.
func pages[T any](c call, read func(token string) (page []T, next string, err error)) ([]T, error) {
	var all []T
	token := ""
	for range maxPages {
		page, next, err := read(token)
		switch {
		case err != nil:
			return nil, err
		case next == "":
			return append(all, page...), nil
		case next == token:
			return nil, incomplete(c, "way to the next page")
		}
		all, token = append(all, page...), next
	}
	return nil, unusable(c, fmt.Errorf("the list does not end after %d pages", maxPages))
}
