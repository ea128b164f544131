package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/broker/ownfile"
)

// The fields of a target that name a file.
const (
	caField          = "ca_file"
	policyField      = "key_policy"
	credentialsField = "credentials_file"
	certificateField = "credentials.certificate_file"
	tokenField       = "credentials.token_file"
	proofCertificate = "proof_credentials.certificate_file"
	proofToken       = "proof_credentials.token_file" //nolint:gosec // the name of a field
)

// targetFiles are the texts of a target's files, by the field that names them.
type targetFiles map[string][]byte

// kind of a file, which says how it is read and what the enrolment holds of it.
type kind int

const (
	public  kind = iota // pinned by what is in it
	secret              // nobody else may read it; pinned by its path
	renewed             // somebody else writes it again and again: not read here; pinned by its path
)

// namedFile is a file that a target names.
type namedFile struct {
	field string
	path  config.Path
	kind  kind
}

// filesOf a target.
func filesOf(t config.Target) []namedFile {
	var all []namedFile
	add := func(field string, path config.Path, k kind) {
		if path != "" {
			all = append(all, namedFile{field, path, k})
		}
	}
	add(caField, t.CAFile, public)
	if t.KeyPolicy != nil {
		add(policyField, t.KeyPolicy.File, public)
	}
	add(credentialsField, t.CredentialsFile, secret)
	if c := t.Credentials; c != nil {
		add(certificateField, c.CertificateFile, secret)
		add(tokenField, c.TokenFile, renewed)
	}
	if c := t.ProofCredentials; c != nil {
		add(proofCertificate, c.CertificateFile, secret)
		add(proofToken, c.TokenFile, renewed)
	}
	return all
}

// readFiles reads those of the kinds that are asked for, each once: what is used is
// what is held against the enrolment.
func readFiles(t config.Target, kinds ...kind) (targetFiles, error) {
	files := targetFiles{}
	for _, f := range filesOf(t) {
		if !slices.Contains(kinds, f.kind) {
			continue
		}
		text, err := f.read()
		if _, said := errors.AsType[*broker.Error](err); err != nil && !said {
			err = &broker.Error{
				Kind: broker.Misuse, Op: "read " + f.field + " of target", Object: t.Name, Cause: err, Hint: "check the path in the config",
			}
		}
		if err != nil {
			return nil, err
		}
		if f.kind != renewed {
			files[f.field] = text
		}
	}
	return files, nil
}

// maxTargetFile is the most a file of a target may have, in bytes; a key policy has
// at most 32 KiB.
const maxTargetFile = 1 << 20

// read refuses what is no regular file: a pipe could say something else to each
// reader.
func (f namedFile) read() ([]byte, error) {
	info, err := os.Stat(string(f.path))
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxTargetFile:
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", f.path, maxTargetFile)
	case f.kind == renewed:
		return nil, nil
	case f.kind == secret:
		return ownfile.Read(f.field, string(f.path), ownfile.OthersMayNot{Read: true, Write: true}, maxSecretFile)
	default:
		return os.ReadFile(string(f.path))
	}
}
