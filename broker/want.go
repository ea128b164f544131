package broker

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// want is an import request with its policy and defaults filled in: what is
// asked, with nothing left to guess.
type want struct {
	name    string
	policy  Policy
	spec    KeySpec
	purpose Purpose
	retain  Retain
	targets []Target
	validTo time.Time
	from    time.Time // valid from
	owner   string
	tags    map[string]string
	req     ImportRequest
}

// keyName is the broker's own rule: what every cloud can be given, perhaps
// shortened, and what no file name or URL is broken by.
var keyName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9_-]|[./][a-zA-Z0-9_-])*$`) })

// maxKeyName is the most characters a key's name may have.
const maxKeyName = 200

// CheckKeyName refuses what cannot be a key's name, as Misuse.
func CheckKeyName(name string) error {
	refuse := func(why string) error {
		return &Error{
			Kind: Misuse, Op: "name a key", Object: fmt.Sprintf("%.80q", name), Cause: fmt.Errorf("%s", why),
			Hint: "use letters, digits, - and _, with single . or / between them, at most 200 characters: payments/db",
		}
	}
	switch {
	case name == "":
		return refuse("it is empty")
	case len(name) > maxKeyName:
		return refuse(fmt.Sprintf("it has %d characters, %d are allowed", len(name), maxKeyName))
	case !keyName().MatchString(name):
		return refuse("it has characters, or an order of them, that are not allowed")
	}
	return nil
}

// resolve fills in policy and defaults and refuses what can be refused without
// asking anybody.
func (b *Broker) resolve(req ImportRequest) (want, error) {
	if err := CheckKeyName(req.Name); err != nil {
		return want{}, err
	}
	policy, err := b.policy(req.Policy)
	if err != nil {
		return want{}, err
	}
	w := want{
		name: req.Name, policy: policy, req: req, owner: first(req.Owner, policy.Owner),
		spec: first(req.Spec, policy.Spec), purpose: first(req.Purpose, policy.Purpose),
		retain: first(req.Retain, policy.Retain, RetainToken), tags: maps.Clone(policy.Tags),
	}
	if w.tags == nil {
		w.tags = map[string]string{}
	}
	maps.Copy(w.tags, req.Tags)
	if b.o.Token != nil && b.o.Token.Environment == Production && req.Retain == "" && policy.Retain == "" {
		return want{}, misuse("import "+w.name, "in production retain is named, not defaulted: give --retain, or a policy that has it")
	}
	for _, check := range []func() error{w.checkSpec, w.checkPolicy} {
		if err := check(); err != nil {
			return want{}, err
		}
	}
	err = b.resolveTargets(&w)
	return w, err
}

func (b *Broker) policy(name string) (Policy, error) {
	if name == "" {
		return Policy{}, nil
	}
	names := make([]string, 0, len(b.o.Policies))
	for _, p := range b.o.Policies {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Policy{}, &Error{
		Kind: Misuse, Op: "find policy", Object: name, Cause: fmt.Errorf("the config has %s", listed(names)),
		Hint: "name one of these, or add it to the config",
	}
}

func (w *want) checkSpec() error {
	if w.spec == "" {
		return misuse("import "+w.name, "no key spec: give --spec, or a policy that has one")
	}
	if _, err := ParseKeySpec(string(w.spec)); err != nil {
		return err
	}
	if w.req.Object != "" && w.retain != RetainToken {
		return misuse("import "+w.name, fmt.Sprintf("material %s was in the token before, and is not the broker's to end: retain is token for it, not %s", w.req.Object, w.retain))
	}
	purposes := w.spec.Purposes()
	w.purpose = first(w.purpose, purposes[0])
	if !slices.Contains(purposes, w.purpose) {
		return misuse("import "+w.name, fmt.Sprintf("a key of spec %s cannot have the purpose %s, but %s", w.spec, w.purpose, joinWords(purposes)))
	}
	if !slices.Contains(Retains(), w.retain) {
		return misuse("import "+w.name, fmt.Sprintf("retain %q is none of %s", w.retain, joinWords(Retains())))
	}
	return nil
}

// checkPolicy: a request may fill in what its policy leaves open, not change it.
func (w *want) checkPolicy() error {
	if w.policy.WrapWithTrusted && w.retain == RetainWrapped {
		return misuse("import "+w.name, fmt.Sprintf("policy %s has wrap_with_trusted, and retain: wrapped keeps material under a key that no security officer marked: use %s, %s or %s",
			w.policy.Name, RetainToken, RetainSealed, RetainNone))
	}
	for _, f := range []struct{ field, policy, asked string }{
		{"spec", string(w.policy.Spec), string(w.req.Spec)},
		{"purpose", string(w.policy.Purpose), string(w.req.Purpose)},
		{"retain", string(w.policy.Retain), string(w.req.Retain)},
	} {
		if f.policy != "" && f.asked != "" && f.policy != f.asked {
			return misuse("import "+w.name, fmt.Sprintf("%s %s was asked, policy %s says %s", f.field, f.asked, w.policy.Name, f.policy))
		}
	}
	return nil
}

// checkTimes fills in the end and refuses one that cannot be. It is asked when an
// import begins: one that is on record keeps its end.
func (w *want) checkTimes(now time.Time) error {
	w.validTo = w.req.ValidTo.UTC().Truncate(time.Second)
	if w.validTo.IsZero() && w.policy.ValidFor > 0 && slices.ContainsFunc(w.targets, Target.ends) {
		w.validTo = now.Add(w.policy.ValidFor).Truncate(time.Second)
	}
	if w.policy.ValidAfter > 0 {
		w.from = now.Add(w.policy.ValidAfter).Truncate(time.Second)
	}
	for _, t := range w.targets {
		if err := checkValidTo(w.name, t.Provider.Capabilities(), w.endAt(t), now); err != nil {
			return err
		}
		if err := w.checkValidFrom(t.Provider.Capabilities()); err != nil {
			return err
		}
	}
	if at := w.req.ActivateAt; !w.validTo.IsZero() && !at.IsZero() && !w.validTo.After(at) {
		return misuse("import "+w.name, "valid-to "+stamp(w.validTo)+" is not after the activation at "+stamp(at))
	}
	return nil
}

// endAt is the end of the version at a target. A policy's valid_for counts where the
// provider knows an end; one that was asked for in so many words counts everywhere.
func (w *want) endAt(t Target) time.Time {
	if w.req.ValidTo.IsZero() && !t.ends() {
		return time.Time{}
	}
	return w.validTo
}

// endless says that the policy's valid_for does not count at a target; "" it does.
func (w *want) endless(t Target) string {
	if w.policy.ValidFor == 0 || !w.req.ValidTo.IsZero() || t.ends() {
		return ""
	}
	return "no end there: " + t.Provider.Capabilities().Service + " has no expiry of its own"
}

// ends reports whether the provider ends a version by itself.
func (t Target) ends() bool { return t.Provider.Capabilities().ValidTo.Native }

// checkValidFrom refuses a beginning where the provider knows none, or after the end.
func (w *want) checkValidFrom(caps Capabilities) error {
	switch {
	case w.from.IsZero():
		return nil
	case !caps.ValidTo.From:
		return &Error{
			Kind: Unsupported, Op: "set valid-from of " + w.name, Object: "at " + caps.Service,
			Cause: errors.New("a key there is valid as soon as it is imported"), Hint: "--activate-at holds a version back everywhere",
		}
	case !w.validTo.IsZero() && !w.validTo.After(w.from):
		return misuse("import "+w.name, "valid-to "+stamp(w.validTo)+" is not after valid-from "+stamp(w.from))
	default:
		return nil
	}
}

func (b *Broker) resolveTargets(w *want) error {
	names := w.req.Targets
	if len(names) == 0 {
		names = w.policy.Targets
	}
	if len(names) == 0 {
		return misuse("import "+w.name, "no target: give --target, or a policy that has targets")
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return misuse("import "+w.name, "target "+name+" is named twice")
		}
		t, err := b.target(name)
		if err != nil {
			return err
		}
		if err := w.fits(t); err != nil {
			return err
		}
		if err := w.alone(t); err != nil {
			return err
		}
		w.targets = append(w.targets, t)
	}
	return w.orderReplicas()
}

// orderReplicas puts replicas after the target of their primary, which must be among
// the targets too: a replica takes the same material only once the primary has it.
func (w *want) orderReplicas() error {
	names := targetNames(w.targets)
	for _, t := range w.targets {
		if t.ReplicaOf != "" && !slices.Contains(names, t.ReplicaOf) {
			return misuse("import "+w.name, fmt.Sprintf("target %s holds replicas of keys at %s, which is not among the targets", t.Name, t.ReplicaOf))
		}
	}
	slices.SortStableFunc(w.targets, func(a, b Target) int { return cmp.Compare(min(1, len(a.ReplicaOf)), min(1, len(b.ReplicaOf))) })
	return nil
}

// checkValidTo holds an end against what a provider can do.
func checkValidTo(name string, caps Capabilities, validTo, now time.Time) error {
	rule := caps.ValidTo
	switch {
	case validTo.IsZero():
		return nil
	case !validTo.After(now):
		return misuse("import "+name, "valid-to "+stamp(validTo)+" is in the past")
	case !rule.Native:
		return &Error{
			Kind: Unsupported, Op: "set valid-to of " + name, Object: "at " + caps.Service, Cause: errors.New("it has no expiry of its own"),
			Hint: "leave the end out, or name the other targets with --target; valid_for in a policy counts where there is an expiry",
		}
	case rule.Max > 0 && validTo.After(now.Add(rule.Max)):
		return misuse("import "+name, fmt.Sprintf("valid-to %s is more than %d days ahead, the most that %s allows", stamp(validTo), int(rule.Max.Hours()/24), caps.Service))
	}
	return nil
}

func misuse(op, why string) error {
	return &Error{Kind: Misuse, Op: op, Cause: fmt.Errorf("%s", why)}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// first non-zero of its arguments.
func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

// sameImport refuses to take another end or another way to retain for done: an
// import that is on record keeps what it was begun with.
func (w want) sameImport(view KeyView, op Operation) error {
	if asked := w.req.ValidTo; !asked.IsZero() && !sameEnd(asked, op.Params.ValidTo) && (!w.req.FromNow || op.Params.ValidTo.IsZero()) {
		return w.conflict(fmt.Errorf("it was imported with valid-to %s, %s was asked", end(op.Params.ValidTo), stamp(asked)),
			"keyferry renew "+w.name+" --valid-to … changes it once it is imported")
	}
	if w.req.Object != op.Params.Object {
		return w.conflict(fmt.Errorf("it was imported with the material %s, %s was asked", first(op.Params.Object, "that was generated for it"), first(w.req.Object, "generated one")),
			"import under another name")
	}
	v, _ := view.Version(op.Number)
	if w.req.Retain != "" && w.req.Retain != v.Retain {
		return w.conflict(fmt.Errorf("it was imported with retain: %s, %s was asked", v.Retain, w.req.Retain), "import under another name")
	}
	if why := w.described(view.Key); why != "" {
		return w.conflict(errors.New(why), "an import changes nothing of a key that is there: ask for the owner and tags that it has, or for none")
	}
	return nil
}

// described names the first of the words about a key that were asked and are others on
// record; what is not asked is as it is.
func (w want) described(k Key) string {
	if w.req.Owner != "" && w.req.Owner != k.Owner {
		return fmt.Sprintf("its owner is %s, %s was asked", first(k.Owner, "nobody"), w.req.Owner)
	}
	for _, name := range sortedKeys(w.req.Tags) {
		if has, ok := k.Tags[name]; !ok || has != w.req.Tags[name] {
			return fmt.Sprintf("its tag %s is %q, %q was asked", name, has, w.req.Tags[name])
		}
	}
	return ""
}

// differs names the first field in which a stored key is not what is asked.
func (w want) differs(k Key) string {
	switch {
	case k.Spec != w.spec:
		return fmt.Sprintf("it has spec %s, %s was asked", k.Spec, w.spec)
	case k.Purpose != w.purpose:
		return fmt.Sprintf("it has the purpose %s, %s was asked", k.Purpose, w.purpose)
	case w.req.Policy != "" && k.Policy != w.req.Policy:
		return fmt.Sprintf("it is under policy %s, %s was asked", strings.TrimSpace(first(k.Policy, "(none)")), w.req.Policy)
	default:
		return ""
	}
}
