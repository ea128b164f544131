package azureemu

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// call is one request being performed, under the server's lock.
type call struct {
	s     *Server
	vault *vault
	route
	query   map[string][]string
	who     *principal // nil: nobody
	now     time.Time
	id      string   // request id
	subject *key     // what it is about, once looked up
	used    *version // the version it used
}

func (c *call) settings() Settings { return c.s.settings }

func (c *call) lenient() bool { return c.s.settings.Lenient }

// unlocked runs f without the server's lock: for work of seconds. What was looked
// up before must be looked up again.
func (c *call) unlocked(f func()) {
	c.s.mu.Unlock()
	defer func() {
		c.s.mu.Lock()
		c.vault = c.s.vaults[strings.ToLower(c.vault.Name)]
	}()
	f()
}

// perform does one operation under the server's lock: what is due first, then the
// version of the API, permission, and the operation itself.
func (c *call) perform(body []byte) (any, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.now = c.s.clock.Now()
	c.vault = c.s.vaults[strings.ToLower(c.vault.Name)] // a reset may have made it anew
	c.vault.elapse(c.now)
	if err := cmp.Or(c.checkAPIVersion(), c.checkRoute(), c.allow()); err != nil {
		return nil, err
	}
	if err := c.throttle(groupAll, 1); err != nil {
		return nil, err
	}
	out, err := c.operation.run(c, body)
	if err != nil {
		return nil, err
	}
	if k := c.subject; k != nil {
		k.commits[c.operation.name]++
	}
	return out, nil
}

func (c *call) checkRoute() error {
	if c.operation.run == nil {
		return refuse(codeNotFound, "the emulator does not model this operation")
	}
	if c.name == "" {
		return nil
	}
	return checkName(c.name)
}

// apiVersions are those of Key Vault's keys that the emulator was held to.
func apiVersions() []string {
	return []string{"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"}
}

func (c *call) checkAPIVersion() error {
	versions := c.query["api-version"]
	if len(versions) != 1 || versions[0] == "" {
		return refuse(codeBadParameter, "api-version must be specified")
	}
	if slices.Contains(apiVersions(), versions[0]) {
		return nil
	}
	return refuse(codeBadParameter, "The specified version (%s) is not recognized. Consider using the latest supported version (2025-07-01).", versions[0])
}

// find is the key that the request names, if it is there.
func (c *call) find() (*key, error) {
	k := c.vault.key(c.name)
	if k == nil || k.stage != active {
		return nil, c.notFound()
	}
	c.subject = k
	return k, nil
}

// notFound are Key Vault's words (its SDKs' recorded tests).
func (c *call) notFound() error {
	id := c.name
	if c.version != "" {
		id += "/" + c.version
	}
	return refuse(codeKeyNotFound, "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to recover it "+
		"using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", id)
}

// findVersion is the version that the request names, or the latest.
func (c *call) findVersion() (*key, *version, error) {
	k, err := c.find()
	if err != nil {
		return nil, nil, err
	}
	v := k.latest()
	if c.version != "" {
		if v = k.find(c.version); v == nil {
			return nil, nil, c.notFound()
		}
	}
	c.used = v
	return k, v, nil
}

// free refuses a name that cannot have a new version, because of soft delete.
func (c *call) free() error {
	k := c.vault.key(c.name)
	if k == nil {
		return nil
	}
	switch k.stage {
	case deleted:
		return refuseAs(codeConflict, innerRecoverable, "Key %s is currently in a deleted but recoverable state, and its name cannot be reused; "+
			"in this state, the key can only be recovered or purged.", c.name)
	case deleting, purging:
		return refuseAs(codeConflict, innerBeingDeleted, "Key %s is currently being deleted and cannot be re-created; retry later.", c.name)
	case recovering:
		return refuseAs(codeConflict, innerBeingRecoverd, "Key %s is currently being recovered and cannot be re-created; retry later.", c.name)
	default:
		return nil
	}
}

// add makes v the latest version under the request's name.
func (c *call) add(v *version) *key {
	k := c.vault.key(c.name)
	if k == nil {
		k = &key{name: c.name, commits: map[string]int{}}
		c.vault.put(k)
	}
	v.id, v.created, v.updated = newVersionID(), c.now, c.now
	k.versions = append(k.versions, v)
	c.subject, c.used = k, v
	return k
}

// identify is what fault rules match: the key a request is about, before it is
// performed. A request without a token is a "Challenge", whatever it asks for. It
// needs the server's lock.
func (c *call) identify(challenged bool, tags map[string]string) faults.Call {
	out := faults.Call{
		Service: "keyvault", Action: c.operation.name, Account: c.vault.Tenant, Region: c.vault.Name, RequestID: c.id,
		Key: c.name, Tags: tags,
	}
	if c.who != nil {
		out.AccessKey = c.who.ClientID
	}
	if challenged {
		out.Action = "Challenge"
	}
	if c.name == "" {
		return out
	}
	if k := c.vault.key(c.name); k != nil {
		out.Key = k.name
	}
	out.KeyID = c.kid(out.Key, "")
	return out
}
