package memory

import (
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Report is what the target really holds, for a test that judges by its own list
// of what it sent. Keys whose deletion is scheduled, and destroyed ones, are in it.
type Report struct {
	Keys     int               // ever made
	Material map[string][]Held // by SHA-256 (hex) of the unwrapped secret or PKCS#8
	Names    map[string][]Held // by the broker's name of the key; versions, and keys without any
	Orphans  []Held            // keys without material that nobody scheduled for deletion
	Twins    []Held            // all that share material, or a name and version number, with another not scheduled
}

// Held is one version, or a key that never had material.
type Held struct {
	Version broker.VersionRef
	Name    string
	KeyID   string // the broker's
	Number  int
	SHA256  string // of the material it has or had; "" never any
	State   broker.RemoteState
}

// Report judges the target as time has made it.
func (p *Provider) Report() Report {
	r := Report{Material: map[string][]Held{}, Names: map[string][]Held{}}
	_ = p.locked(func() error { // counting cannot fail
		r.Keys = p.made
		for _, k := range p.keys {
			for _, h := range k.held() {
				r.add(h)
			}
		}
		return nil
	})
	r.findTwins()
	return r
}

func (k *key) held() []Held {
	h := Held{
		Version: broker.VersionRef{Key: k.ref}, Name: k.in.Name, KeyID: k.in.KeyID, Number: k.in.Number, State: k.state(nil),
	}
	if len(k.versions) == 0 {
		return []Held{h}
	}
	out := make([]Held, len(k.versions))
	for i, v := range k.versions {
		out[i] = h
		out[i].Version.ID, out[i].SHA256, out[i].Number, out[i].State = v.id, v.sha256, v.of.Number, k.state(v)
	}
	return out
}

func (r *Report) add(h Held) {
	r.Names[h.Name] = append(r.Names[h.Name], h)
	if h.SHA256 != "" {
		r.Material[h.SHA256] = append(r.Material[h.SHA256], h)
	} else if h.live() && h.State != broker.RemoteImporting {
		r.Orphans = append(r.Orphans, h)
	}
}

func (h Held) live() bool {
	return h.State != broker.RemoteScheduled && h.State != broker.RemoteDestroyed && h.State != broker.RemoteFailed
}

func (r *Report) findTwins() {
	for _, group := range r.Names {
		for i, h := range group {
			twin := func(o Held) bool { return o.live() && o.Number == h.Number }
			if h.live() && (slices.ContainsFunc(group[:i], twin) || slices.ContainsFunc(group[i+1:], twin)) {
				r.Twins = append(r.Twins, h)
			}
		}
	}
	for _, group := range r.Material {
		live := slices.DeleteFunc(slices.Clone(group), func(h Held) bool { return !h.live() || slices.Contains(r.Twins, h) })
		if len(live) > 1 {
			r.Twins = append(r.Twins, live...)
		}
	}
}
