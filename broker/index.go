package broker

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// indexWidth is how many children a node of the index has, and how many nodes there are.
const indexWidth = 64

// IndexEnd is the last audit entry about one subject, and how many there are.
type IndexEnd struct {
	Subject string
	Link
	Entries int64
}

// Link names an audit entry.
type Link struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// IndexPath is where the end of one subject stands in the audit's index. The index is
// a hash tree of two levels over buckets of ends, and its root is in each entry, which
// is sealed: the end of a subject is known to be the right one, or none to be there,
// by one bucket and two nodes, however long the audit is.
type IndexPath struct {
	Root, Node []byte // digests of the children, one after the other; empty: all are zero
	Bucket     []IndexEnd
}

// IndexSlot is the node and the bucket that a subject belongs to; buckets are numbered
// through all nodes.
func IndexSlot(subject string) (node, bucket int) {
	sum := sha256.Sum256([]byte(subject))
	bucket = int(binary.BigEndian.Uint16(sum[:])) % (indexWidth * indexWidth)
	return bucket / indexWidth, bucket
}

// State is the root of the index, in hex. It is an error where the path does not hold
// together: somebody changed a part of it.
func (p IndexPath) State(subject string) (string, error) {
	node, bucket := IndexSlot(subject)
	if !bytes.Equal(child(p.Node, bucket%indexWidth), bucketDigest(p.Bucket)) || !bytes.Equal(child(p.Root, node), nodeDigest(p.Node)) {
		return "", fmt.Errorf("the index of the audit does not hold together at %s", subject)
	}
	return rootDigest(p.Root), nil
}

// Find is the end of the subject; zero where nothing is about it.
func (p IndexPath) Find(subject string) IndexEnd {
	for _, e := range p.Bucket {
		if e.Subject == subject {
			return e
		}
	}
	return IndexEnd{Subject: subject}
}

// With is the path with one more entry about the subject.
func (p IndexPath) With(subject string, last Link) IndexPath {
	end := p.Find(subject)
	end.Link, end.Entries = last, end.Entries+1
	bucket := slices.DeleteFunc(slices.Clone(p.Bucket), func(e IndexEnd) bool { return e.Subject == subject })
	bucket = append(bucket, end)
	slices.SortFunc(bucket, func(a, b IndexEnd) int { return cmp.Compare(a.Subject, b.Subject) })
	node, slot := IndexSlot(subject)
	changed := IndexPath{Bucket: bucket}
	changed.Node = withChild(p.Node, slot%indexWidth, bucketDigest(bucket))
	changed.Root = withChild(p.Root, node, nodeDigest(changed.Node))
	return changed
}

// EmptyState is the root of an index of nothing.
func EmptyState() string { return rootDigest(nil) }

func child(node []byte, at int) []byte {
	if len(node) == 0 {
		return make([]byte, sha256.Size)
	}
	if len(node) != indexWidth*sha256.Size {
		return nil // never equal to a digest
	}
	return node[at*sha256.Size : (at+1)*sha256.Size]
}

func withChild(node []byte, at int, digest []byte) []byte {
	changed := make([]byte, indexWidth*sha256.Size)
	copy(changed, node)
	copy(changed[at*sha256.Size:], digest)
	return changed
}

// bucketDigest tells every two buckets apart: each field has its length.
func bucketDigest(ends []IndexEnd) []byte {
	if len(ends) == 0 {
		return make([]byte, sha256.Size)
	}
	text := []byte("keyferry index bucket v1\x00")
	for _, e := range ends {
		for _, field := range []string{e.Subject, e.Hash} {
			text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
			text = append(text, field...)
		}
		text = binary.BigEndian.AppendUint64(text, uint64(e.Seq))     //nolint:gosec // a number of an entry, never negative
		text = binary.BigEndian.AppendUint64(text, uint64(e.Entries)) //nolint:gosec // a count
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

func nodeDigest(node []byte) []byte {
	if len(node) == 0 {
		return make([]byte, sha256.Size)
	}
	sum := sha256.Sum256(append([]byte("keyferry index node v1\x00"), node...))
	return sum[:]
}

func rootDigest(root []byte) string {
	sum := sha256.Sum256(append([]byte("keyferry index v1\x00"), root...))
	return hex.EncodeToString(sum[:])
}
