package pkcs11

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/keyferry/keyferry/broker"
)

// probeVersion changes with what the probe looks at: older results are not used.
const probeVersion = 3

// cache is the file that keeps what was found on one token with one firmware and
// one library. Nothing secret is in it, and nothing that could leak a key: a
// wrong plan makes a wrap that does not open.
type cache struct {
	path string // "" keeps nothing
	key  cacheKey
}

type cacheKey struct {
	Version  int    `json:"version"`
	Serial   string `json:"serial"`
	Model    string `json:"model"`
	Firmware string `json:"firmware"`
	Library  string `json:"library"`
}

// cached is what was found by probing, and of which token.
type cached struct {
	Key   cacheKey          `json:"key"`
	Plans []broker.Plan     `json:"plans"`
	Keep  []broker.KeepPlan `json:"keep"`
	How   keepHow           `json:"how"`
}

func cacheOf(dir string, info broker.TokenInfo) cache {
	c := cache{key: cacheKey{Version: probeVersion, Serial: info.Serial, Model: info.Model, Firmware: info.Firmware, Library: info.Library}}
	if dir != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%+v", c.key))
		c.path = filepath.Join(dir, fmt.Sprintf("plans-%x.json", sum[:8]))
	}
	return c
}

// read returns what is kept, or nil and why it is not used: a file that is not
// there, not whole, of another token, or that others may write.
func (c cache) read() (found *cached, why string) {
	if c.path == "" {
		return nil, "nothing is kept"
	}
	info, err := os.Lstat(c.path)
	if err != nil {
		return nil, "nothing was kept"
	}
	if why := notOurs(info); why != "" {
		return nil, c.path + why
	}
	text, err := os.ReadFile(c.path)
	if err != nil {
		return nil, err.Error()
	}
	var kept cached
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, "what was kept is not whole: " + err.Error()
	}
	if kept.Key != c.key || !complete(kept.Plans) || !completeKeep(kept.Keep) || kept.How.Guard < 0 || kept.How.Guard >= len(guards()) {
		return nil, "what was kept is of something else"
	}
	return &kept, ""
}

// notOurs: what somebody else could have written says nothing about this token.
func notOurs(info fs.FileInfo) (why string) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return " is no regular file"
	case ok && int(stat.Uid) != os.Geteuid():
		return " is another user's"
	case info.Mode().Perm()&0o022 != 0:
		return " may be written by others"
	default:
		return ""
	}
}

// complete: one row for each key spec and mechanism, in their order.
func complete(plans []broker.Plan) bool {
	i := 0
	for _, spec := range broker.KeySpecs() {
		for _, m := range broker.Mechanisms() {
			if i >= len(plans) || plans[i].Spec != spec || plans[i].Mechanism != m || plans[i].Conforming && !plans[i].Works {
				return false
			}
			i++
		}
	}
	return i == len(plans)
}

// completeKeep: one row for each key spec, in their order.
func completeKeep(plans []broker.KeepPlan) bool {
	specs := broker.KeySpecs()
	for i, p := range plans {
		if i >= len(specs) || p.Spec != specs[i] || p.Guarded && !p.Works {
			return false
		}
	}
	return len(plans) == len(specs)
}

// write replaces the file at once, readable by its owner only.
func (c cache) write(found *cached) error {
	if c.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(cached{Key: c.key, Plans: found.Plans, Keep: found.Keep, How: found.How}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode plans: %w", err)
	}
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep plans: %w", err)
	}
	f, err := os.CreateTemp(dir, "plans-*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("keep plans: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		return fmt.Errorf("keep plans: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
