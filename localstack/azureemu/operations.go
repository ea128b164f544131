package azureemu

import (
	"net/http"
	"strings"
)

// operation is one operation of the API: its name, how it is reached, the data
// action it needs in a vault and in a Managed HSM, and what it does.
type operation struct {
	name      string
	method    string
	path      string // segments; "*" is a key's name
	versioned bool   // a version may follow the name
	action    string // below Microsoft.KeyVault/vaults/ (Azure built-in roles)
	hsmAction string // below Microsoft.KeyVault/managedHsm/ (Local RBAC built-in roles)
	run       run
}

// operations are all that the emulator models.
func operations() []operation {
	const get, put, post, patch, remove = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []operation{
		{"CreateKey", post, "keys/*/create", false, "keys/create/action", "keys/create", on(createKey)},
		{"ImportKey", put, "keys/*", false, "keys/import/action", "keys/import/action", on(importKey)},
		{"GetKey", get, "keys/*", true, "keys/read", "keys/read/action", empty(getKey)},
		{"Sign", post, "keys/*/sign", true, "keys/sign/action", "keys/sign/action", on(sign)},
	}
}

// permission is the data action that an operation needs.
func (o operation) permission(v *vault) string {
	if v != nil && v.Mode == HSM {
		return "Microsoft.KeyVault/managedHsm/" + o.hsmAction
	}
	return "Microsoft.KeyVault/vaults/" + o.action
}

// route is what a request's path means.
type route struct {
	operation operation
	name      string // of the key
	version   string
}

// parseRoute finds the operation. Empty segments count for nothing: an SDK that
// leaves a version out sends "keys/NAME/" and "keys/NAME//sign".
func parseRoute(method, path string) (route, bool) {
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		if s != "" {
			segments = append(segments, s)
		}
	}
	for _, o := range operations() {
		if r, ok := o.match(method, segments); ok {
			return r, true
		}
	}
	return route{}, false
}

func (o operation) match(method string, segments []string) (route, bool) {
	r := route{operation: o}
	want := strings.Split(o.path, "/")
	if o.versioned && len(segments) == len(want)+1 && versionForm.MatchString(segments[2]) {
		r.version = segments[2]
		segments = append(segments[:2:2], segments[3:]...)
	}
	if method != o.method || len(segments) != len(want) {
		return route{}, false
	}
	for i, w := range want {
		switch {
		case w == "*":
			r.name = segments[i]
		case w != segments[i]:
			return route{}, false
		}
	}
	return r, true
}
