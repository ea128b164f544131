package awsemu

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// pool gives out RSA wrapping keys. Those in its directory were made ahead and are
// kept between runs; several processes may share it. Each is given out once,
// unless the pool reuses one a size.
type pool struct {
	dir   string // "": keeps none
	size  int    // made ahead, a size
	reuse bool

	mu     sync.Mutex
	reused map[int]*rsa.PrivateKey
	wake   chan struct{} // a key was taken
}

func newPool(c Config) (*pool, error) {
	p := &pool{dir: c.PoolDir, size: c.PoolSize, reuse: c.ReuseWrappingKeys, reused: map[int]*rsa.PrivateKey{}, wake: make(chan struct{}, 1)}
	if p.dir == "" {
		return p, nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make pool of wrapping keys: %w", err)
	}
	return p, nil
}

// take is a wrapping key of so many bits.
func (p *pool) take(bits int) (*rsa.PrivateKey, error) {
	if p.reuse {
		return p.shared(bits)
	}
	key, err := p.claim(bits)
	if err != nil || key != nil {
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// shared is the one key of a size. The first to need it makes it; with a
// directory it is the same in every process.
func (p *pool) shared(bits int) (*rsa.PrivateKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := p.reused[bits]; key != nil {
		return key, nil
	}
	path := filepath.Join(p.dir, fmt.Sprintf("shared-rsa-%d.pk8", bits))
	key, err := readKey(path, bits)
	if p.dir == "" || errors.Is(err, fs.ErrNotExist) {
		if key, err = rsa.GenerateKey(rand.Reader, bits); err == nil && p.dir != "" {
			err = p.save(key, path)
		}
		if errors.Is(err, fs.ErrExist) { // another process was faster
			key, err = readKey(path, bits)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("share a wrapping key: %w", err)
	}
	p.reused[bits] = key
	return key, nil
}

// claim takes a key out of the directory; nil if there is none. Renaming succeeds
// for one process only.
func (p *pool) claim(bits int) (*rsa.PrivateKey, error) {
	if p.dir == "" {
		return nil, nil
	}
	defer p.taken()
	for _, path := range p.made(bits) {
		mine := path + "." + newID()
		if os.Rename(path, mine) != nil {
			continue
		}
		key, err := readKey(mine, bits)
		if err := errors.Join(err, os.Remove(mine)); err != nil {
			return nil, fmt.Errorf("take a wrapping key: %w", err)
		}
		return key, nil
	}
	return nil, nil
}

func (p *pool) taken() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// made are the keys of a size that wait in the directory.
func (p *pool) made(bits int) []string {
	paths, err := filepath.Glob(filepath.Join(p.dir, fmt.Sprintf("rsa-%d-*.pk8", bits)))
	if err != nil {
		return nil
	}
	return paths
}

// fill makes keys ahead until ctx ends: at once, and again whenever one is taken.
func (p *pool) fill(ctx context.Context) error {
	if p.dir == "" || p.size < 1 || p.reuse {
		return nil
	}
	for {
		for _, bits := range []int{4096, 3072, 2048} {
			for ctx.Err() == nil && len(p.made(bits)) < p.size {
				if err := p.make(bits); err != nil {
					return err
				}
			}
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *pool) make(bits int) error {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("make a wrapping key: %w", err)
	}
	return p.save(key, filepath.Join(p.dir, fmt.Sprintf("rsa-%d-%s.pk8", bits, newID())))
}

// save writes a key so that nobody sees a part of it; fs.ErrExist if path is taken.
func (p *pool) save(key *rsa.PrivateKey, path string) error {
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode a wrapping key: %w", err)
	}
	part := path + ".part-" + newID()
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return fmt.Errorf("write a wrapping key: %w", err)
	}
	return errors.Join(os.Link(part, path), os.Remove(part))
}

func readKey(path string, bits int) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the pool's own
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() != bits {
		return nil, fmt.Errorf("%s is not an RSA key of %d bits: %w", path, bits, errConfig)
	}
	return key, nil
}
