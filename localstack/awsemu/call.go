package awsemu

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// call is one request being performed, under the server's lock.
type call struct {
	s       *Server
	action  string
	who     principal
	place   place
	now     time.Time
	id      string // request id
	subject *key   // what it is about, once looked up
}

func (c *call) region() *region { return c.s.store.at(c.place) }

func (c *call) settings() Settings { return c.s.settings }

func (c *call) lenient() bool { return c.s.settings.Lenient }

// lag is how late a change made now is seen.
func (c *call) lag() lag {
	s := c.settings()
	l := lag{reads: s.HiddenReads}
	if s.HiddenFor > 0 {
		l.until = c.now.Add(s.HiddenFor.Duration())
	}
	return l
}

// unlocked runs f without the server's lock: for work of seconds. What was looked
// up before must be looked up again.
func (c *call) unlocked(f func()) {
	c.s.mu.Unlock()
	defer c.s.mu.Lock()
	f()
}

// allow refuses an action that the caller is denied, or that others are allowed
// instead of (IAM User Guide, Troubleshoot access denied error messages).
func (c *call) allow(action string) error {
	allowed, denied := c.who.allow, c.who.deny
	if role, ok := c.s.roles[c.who.role]; ok { // as it is now
		allowed, denied = role.Allow, role.Deny
	}
	var because string
	switch {
	case slices.ContainsFunc(denied, covers(action)):
		because = "with an explicit deny in an identity-based policy"
	case len(allowed) > 0 && !slices.ContainsFunc(allowed, covers(action)):
		because = "because no identity-based policy allows the " + action + " action"
	default:
		return nil
	}
	return refuse(codeAccessDenied, "User: %s is not authorized to perform: %s on this resource %s", c.who.arn, action, because)
}

// covers tells whether a name in a list of permissions means this one.
func covers(action string) func(string) bool {
	name := action[strings.Index(action, ":")+1:]
	return func(listed string) bool {
		prefix, wild := strings.CutSuffix(listed, "*")
		return listed == action || listed == name || wild && strings.HasPrefix(action, prefix)
	}
}

// key finds a key by its id or ARN. Aliases do not name a key here (API
// Reference, each operation's KeyId).
func (c *call) key(ref string) (*key, error) {
	if err := checkLength("KeyId", len(ref), 1, 2048); err != nil {
		return nil, err
	}
	id, err := c.keyID(ref)
	if err != nil {
		return nil, err
	}
	k := c.region().keys[id]
	if k == nil || !k.exists.see(c.now) {
		return nil, refuse(codeNotFound, "Key '%s' does not exist", c.place.arn("key/"+id))
	}
	c.subject = k
	return k, nil
}

func (c *call) keyID(ref string) (string, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	resource, err := c.resource(ref)
	if err != nil {
		return "", err
	}
	id, ok := strings.CutPrefix(resource, "key/")
	if !ok {
		return "", refuse(codeInvalidArn, "%s is not the ARN of a key", ref)
	}
	return id, nil
}

// resource is the last part of an ARN of this place.
func (c *call) resource(arn string) (string, error) {
	part := strings.SplitN(arn, ":", 6)
	switch {
	case len(part) != 6 || part[1] != "aws" || part[2] != "kms" || part[5] == "":
		return "", refuse(codeInvalidArn, "Invalid ARN %s", arn)
	case part[3] != c.place.region:
		return "", refuse(codeInvalidArn, "Invalid ARN %s: its region is not %s", arn, c.place.region)
	case part[4] != c.place.account:
		return "", refuse(codeNotFound, "Key '%s' does not exist", arn)
	}
	return part[5], nil
}

// aliased finds a key by id, ARN, alias name or alias ARN, as DescribeKey,
// GetPublicKey and cryptographic operations do.
func (c *call) aliased(ref string) (*key, error) {
	name := ref
	if strings.HasPrefix(ref, "arn:") {
		resource, err := c.resource(ref)
		if err != nil {
			return nil, err
		}
		name = resource
	}
	if !strings.HasPrefix(name, "alias/") {
		return c.key(ref)
	}
	a := c.region().aliases[name]
	if a == nil {
		return nil, refuse(codeNotFound, "Alias %s is not found.", c.place.arn(name))
	}
	target := a.target.see(c.now)
	if target == "" {
		return nil, refuse(codeNotFound, "Alias %s is not found.", c.place.arn(name))
	}
	return c.key(target)
}

// crypto finds the key of a cryptographic operation, takes the operation from its
// quota and refuses a wrong usage or state (Developer Guide, Key states).
func (c *call) crypto(ref, usage string) (*key, error) {
	k, err := c.aliased(ref)
	if err != nil {
		return nil, err
	}
	group := cryptoGroup(k.spec)
	if err := c.throttle(group, cryptoRate(group, c.place.region)); err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	if usage != "" && k.usage != usage {
		return nil, refuse(codeInvalidUsage, "%s key usage is %s which is not valid for %s.", k.arn, k.usage, c.action)
	}
	return k, nil
}

// used notes a successful cryptographic operation.
func (c *call) used(k *key) { k.lastUse = lastUse{action: c.action, request: c.id, at: c.now} }

func (k *key) usable() error {
	state := k.state()
	if state == stateUpdating { // does not keep from using a key
		state = k.lasting()
	}
	switch state {
	case stateEnabled:
		return nil
	case stateDisabled:
		return refuse(codeDisabled, "%s is disabled.", k.arn)
	}
	return k.wrongState()
}

// in refuses a key whose state is not among these.
func (k *key) in(states ...string) error {
	if slices.Contains(states, k.state()) {
		return nil
	}
	return k.wrongState()
}

func (k *key) wrongState() error {
	words := map[string]string{
		statePendingImport: "pending import", statePendingDeletion: "pending deletion", stateDisabled: "disabled",
		statePendingReplica: "pending replica deletion", stateCreating: "creating", stateUpdating: "updating",
	}[k.state()]
	if words == "" {
		words = "not pending deletion"
	}
	return refuse(codeInvalidState, "%s is %s.", k.arn, words)
}

// identify is what fault rules match: the key a request is about, before it is
// performed. It needs the server's lock.
func (c *call) identify(tag string, about subject) faults.Call {
	out := faults.Call{
		Service: "kms", Action: c.action, Account: c.place.account, Region: c.place.region,
		AccessKey: c.who.accessKey, RequestID: c.id, Tags: map[string]string{},
	}
	for _, t := range about.Tags {
		out.Tags[t.TagKey] = t.TagValue
	}
	if k := c.find(about); k != nil {
		out.KeyID = k.id
		maps.Copy(out.Tags, k.tags.is)
	}
	out.Key = out.Tags[tag]
	return out
}

// subject are the members of any request that say what it is about.
type subject struct {
	KeyID       string `json:"KeyId"`
	TargetKeyID string `json:"TargetKeyId"`
	AliasName   string
	Tags        []tag
}

// find is the key meant, without counting as a read; nil for none.
func (c *call) find(about subject) *key {
	r := c.region()
	for _, ref := range []string{about.KeyID, about.TargetKeyID, about.AliasName} {
		name := ref[strings.LastIndex(ref, ":")+1:]
		if a := r.aliases[name]; a != nil {
			name = a.target.is
		}
		if k := r.keys[strings.TrimPrefix(name, "key/")]; k != nil {
			return k
		}
	}
	return nil
}
