package gcpemu

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// action is one RPC: its permission on the resource that the request is about, its
// quota, and the fields of its request that are modelled.
type action struct {
	rpc        string
	permission string // "" is decided by the RPC itself
	group      group
	fields     []string
	run        run
	answer     proto.Message // a nil one of its type
}

// run performs an RPC under the server's lock.
type run func(*call, proto.Message) (proto.Message, error)

// on makes an action of a function.
func on[In, Out proto.Message](rpc, permission string, g group, f func(*call, In) (Out, error), fields ...string) action {
	var answer Out
	return action{rpc: rpc, permission: permission, group: g, fields: fields, answer: answer, run: func(c *call, m proto.Message) (proto.Message, error) {
		return f(c, m.(In)) // the stubs decode into In
	}}
}

// newAnswer is an empty answer of the RPC.
func (a action) newAnswer() proto.Message {
	if a.answer == nil {
		return &emptypb.Empty{}
	}
	return a.answer.ProtoReflect().New().Interface()
}

// actions are all that the emulator models. Permissions: Google, Permissions and
// roles of Cloud KMS.
func actions() []action {
	var all []action
	for _, some := range [][]action{locationActions(), ringActions(), keyActions(), versionActions(), jobActions(), cryptoActions()} {
		all = append(all, some...)
	}
	return all
}

// page are the fields of every list request.
func page(more ...string) []string {
	return append([]string{"parent", "page_size", "page_token"}, more...)
}

func ringActions() []action {
	return []action{
		on("CreateKeyRing", "cloudkms.keyRings.create", write, createKeyRing, "parent", "key_ring_id", "key_ring."),
		on("GetKeyRing", "cloudkms.keyRings.get", reads, getKeyRing, "name"),
		on("ListKeyRings", "cloudkms.keyRings.list", reads, listKeyRings, page("filter")...),
	}
}

func keyActions() []action {
	return []action{
		on("CreateCryptoKey", "cloudkms.cryptoKeys.create", write, createCryptoKey,
			"parent", "crypto_key_id", "skip_initial_version_creation", "crypto_key.purpose", "crypto_key.labels", "crypto_key.import_only",
			"crypto_key.version_template.protection_level", "crypto_key.version_template.algorithm",
			"crypto_key.destroy_scheduled_duration.*", "crypto_key.rotation_period.*", "crypto_key.next_rotation_time.*"),
		on("GetCryptoKey", "cloudkms.cryptoKeys.get", reads, getCryptoKey, "name"),
		on("ListCryptoKeys", "cloudkms.cryptoKeys.list", reads, listCryptoKeys, page("filter", "version_view")...),
		on("UpdateCryptoKey", "cloudkms.cryptoKeys.update", write, updateCryptoKey, "crypto_key.*", "update_mask.*"),
		on("UpdateCryptoKeyPrimaryVersion", "cloudkms.cryptoKeys.update", write, updatePrimary, "name", "crypto_key_version_id"),
	}
}

func versionActions() []action {
	return []action{
		on("CreateCryptoKeyVersion", "cloudkms.cryptoKeyVersions.create", write, createVersion, "parent", "crypto_key_version.state"),
		on("ImportCryptoKeyVersion", "", write, importVersion,
			"parent", "crypto_key_version", "algorithm", "import_job", "wrapped_key", "rsa_aes_wrapped_key"),
		on("GetCryptoKeyVersion", "cloudkms.cryptoKeyVersions.get", reads, getVersion, "name"),
		on("ListCryptoKeyVersions", "cloudkms.cryptoKeyVersions.list", reads, listVersions, page("filter", "view")...),
		on("UpdateCryptoKeyVersion", "cloudkms.cryptoKeyVersions.update", write, updateVersion, "crypto_key_version.*", "update_mask.*"),
		on("DestroyCryptoKeyVersion", "cloudkms.cryptoKeyVersions.destroy", write, destroyVersion, "name"),
		on("RestoreCryptoKeyVersion", "cloudkms.cryptoKeyVersions.restore", write, restoreVersion, "name"),
	}
}

func jobActions() []action {
	return []action{
		on("CreateImportJob", "cloudkms.importJobs.create", write, createImportJob,
			"parent", "import_job_id", "import_job.import_method", "import_job.protection_level"),
		on("GetImportJob", "cloudkms.importJobs.get", reads, getImportJob, "name", "public_key_format"),
		on("ListImportJobs", "cloudkms.importJobs.list", reads, listImportJobs, page("filter")...),
	}
}
