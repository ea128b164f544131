package gcpkms

import (
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// idShape is that of key rings, keys and import jobs (the comments of the Create
// requests); numberShape that of versions.
var (
	idShape     = lazyregexp.New(`^[a-zA-Z0-9_-]{1,63}$`)
	numberShape = lazyregexp.New(`^[1-9][0-9]{0,18}$`)
)

// location and ring are the resource names of the target.
func (c Config) location() string { return "projects/" + c.Project + "/locations/" + c.Location }
func (c Config) ring() string     { return c.location() + "/keyRings/" + c.Ring }

// Parts of resource names below a ring.
const (
	inKeys     = "/cryptoKeys/"
	inVersions = "/cryptoKeyVersions/"
	inJobs     = "/importJobs/"
)

// keyName is the resource name of the key with an id of ours.
func (p *Provider) keyName(id string) string { return p.c.ring() + inKeys + id }

// versionName is the resource name of a version; of the key where it names none.
func versionName(v broker.VersionRef) string {
	if v.ID == "" {
		return v.Key.ID
	}
	return v.Key.ID + inVersions + v.ID
}

// ours checks that a name is that of a key in the enrolled ring; else it is Tampered.
func (p *Provider) ours(key string) error {
	id, ok := strings.CutPrefix(key, p.c.ring()+inKeys)
	if !ok || !idShape().MatchString(id) {
		return p.foreign(key, fmt.Errorf("not a key in %s", p.c.ring()))
	}
	return nil
}

// oursJob checks the same of an import job.
func (p *Provider) oursJob(job string) error {
	id, ok := strings.CutPrefix(job, p.c.ring()+inJobs)
	if !ok || !idShape().MatchString(id) {
		return p.foreign(job, fmt.Errorf("not an import job in %s", p.c.ring()))
	}
	return nil
}

// parseVersion takes a version's name apart; one of another ring is Tampered.
func (p *Provider) parseVersion(name string) (broker.VersionRef, error) {
	key, number, ok := strings.Cut(name, inVersions)
	if !ok || !numberShape().MatchString(number) {
		return broker.VersionRef{}, p.foreign(name, fmt.Errorf("not a version of a key in %s", p.c.ring()))
	}
	return broker.VersionRef{Key: broker.KeyRef{ID: key}, ID: number}, p.ours(key)
}

// check holds a version that is asked about against the enrolment.
func (p *Provider) check(v broker.VersionRef) error {
	if v.ID == "" {
		return p.ours(v.Key.ID)
	}
	_, err := p.parseVersion(versionName(v))
	return err
}

// same checks that the answer to a call is about what was asked for.
func (p *Provider) same(c call, asked, answered string) error {
	switch answered {
	case asked:
		return nil
	case "":
		return incomplete(c, "resource name")
	default:
		return p.foreign(answered, fmt.Errorf("the answer is about another resource than %s", asked))
	}
}

func (p *Provider) foreign(object string, cause error) error {
	return &broker.Error{
		Kind: broker.Tampered, Op: "check answer about", Object: plain(object), Cause: cause,
		Hint: "the endpoint or the credentials are not those of the enrolled target; nothing was wrapped for it",
	}
}
