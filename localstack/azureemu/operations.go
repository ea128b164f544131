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
		{"ListKeys", get, "keys", false, "keys/read", "keys/read/action", empty(listKeys)},
		{"ListKeyVersions", get, "keys/*/versions", false, "keys/read", "keys/read/action", empty(listKeyVersions)},
		{"UpdateKey", patch, "keys/*", true, "keys/update/action", "keys/write/action", on(updateKey)},
		{"GetKeyAttestation", get, "keys/*/attestation", true, "keys/read", "keys/read/action", empty(getKeyAttestation)},

		{"DeleteKey", remove, "keys/*", false, "keys/delete", "keys/delete", empty(deleteKey)},
		{"GetDeletedKey", get, "deletedkeys/*", false, "keys/read", "keys/deletedKeys/read/action", empty(getDeletedKey)},
		{"ListDeletedKeys", get, "deletedkeys", false, "keys/read", "keys/deletedKeys/read/action", empty(listDeletedKeys)},
		{"RecoverDeletedKey", post, "deletedkeys/*/recover", false, "keys/recover/action", "keys/deletedKeys/recover/action", empty(recoverDeletedKey)},
		{"PurgeDeletedKey", remove, "deletedkeys/*", false, "keys/purge/action", "keys/deletedKeys/delete", empty(purgeDeletedKey)},

		{"BackupKey", post, "keys/*/backup", false, "keys/backup/action", "keys/backup/action", empty(backupKey)},
		{"RestoreKey", post, "keys/restore", false, "keys/restore/action", "keys/restore/action", on(restoreKey)},
		{"RotateKey", post, "keys/*/rotate", false, "keys/rotate/action", "keys/rotate/action", empty(rotateKey)},
		{"GetKeyRotationPolicy", get, "keys/*/rotationpolicy", false, "keyrotationpolicies/read", "keyrotationpolicies/read", empty(getRotationPolicy)},
		{"UpdateKeyRotationPolicy", put, "keys/*/rotationpolicy", false, "keyrotationpolicies/write", "keyrotationpolicies/write", on(updateRotationPolicy)},

		{"Sign", post, "keys/*/sign", true, "keys/sign/action", "keys/sign/action", on(sign)},
		{"Verify", post, "keys/*/verify", true, "keys/verify/action", "keys/verify/action", on(verify)},
		{"Encrypt", post, "keys/*/encrypt", true, "keys/encrypt/action", "keys/encrypt/action", on(encrypt)},
		{"Decrypt", post, "keys/*/decrypt", true, "keys/decrypt/action", "keys/decrypt/action", on(decrypt)},
		{"WrapKey", post, "keys/*/wrapkey", true, "keys/wrap/action", "keys/wrap/action", on(wrapKey)},
		{"UnwrapKey", post, "keys/*/unwrapkey", true, "keys/unwrap/action", "keys/unwrap/action", on(unwrapKey)},
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

// parseRoute finds the operation; one without a name is none. Empty segments count for nothing: an SDK that
// leaves a version out sends "keys/NAME/" and "keys/NAME//sign".
func parseRoute(method, path string) route {
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		if s != "" {
			segments = append(segments, s)
		}
	}
	for _, o := range operations() {
		if r, ok := o.match(method, segments); ok {
			return r
		}
	}
	return route{}
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
