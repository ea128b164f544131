package emu

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

// ErrNoKey is that a file of a pool holds no RSA key of its size.
var ErrNoKey = errors.New("no RSA key of the size in its name")

// PoolConfig says where wrapping keys come from. The zero value makes each when it
// is asked for.
type PoolConfig struct {
	Dir   string // of keys made ahead and kept between runs, PKCS#8 files; "" keeps none
	Size  int    // how many of each size [Pool.Fill] makes ahead; 0 none
	Reuse bool   // one key a size for every request; for bulk tests
}

// Pool gives out RSA wrapping keys. Several processes may share its directory. Each
// key is given out once, unless the pool reuses one a size.
type Pool struct {
	PoolConfig

	mu     sync.Mutex
	reused map[int]*rsa.PrivateKey
	wake   chan struct{} // a key was taken
}

// NewPool makes the pool and its directory.
func NewPool(c PoolConfig) (*Pool, error) {
	p := &Pool{PoolConfig: c, reused: map[int]*rsa.PrivateKey{}, wake: make(chan struct{}, 1)}
	if p.Dir == "" {
		return p, nil
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make pool of wrapping keys: %w", err)
	}
	return p, nil
}

// Take is a wrapping key of so many bits. One that was not made ahead takes up to
// seconds for 4096 bits.
func (p *Pool) Take(bits int) (*rsa.PrivateKey, error) {
	if p.Reuse {
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
func (p *Pool) shared(bits int) (*rsa.PrivateKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := p.reused[bits]; key != nil {
		return key, nil
	}
	path := filepath.Join(p.Dir, fmt.Sprintf("shared-rsa-%d.pk8", bits))
	key, err := readKey(path, bits)
	if p.Dir == "" || errors.Is(err, fs.ErrNotExist) {
		if key, err = rsa.GenerateKey(rand.Reader, bits); err == nil && p.Dir != "" {
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
func (p *Pool) claim(bits int) (*rsa.PrivateKey, error) {
	if p.Dir == "" {
		return nil, nil
	}
	defer p.taken()
	for _, path := range p.made(bits) {
		mine := path + "." + NewID()
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

func (p *Pool) taken() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// made are the keys of a size that wait in the directory.
func (p *Pool) made(bits int) []string {
	paths, err := filepath.Glob(filepath.Join(p.Dir, fmt.Sprintf("rsa-%d-*.pk8", bits)))
	if err != nil {
		return nil
	}
	return paths
}

// Fill makes keys ahead until ctx ends: at once, and again whenever one is taken.
func (p *Pool) Fill(ctx context.Context) error {
	if p.Dir == "" || p.Size < 1 || p.Reuse {
		return nil
	}
	for {
		for _, bits := range []int{4096, 3072, 2048} {
			for ctx.Err() == nil && len(p.made(bits)) < p.Size {
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

func (p *Pool) make(bits int) error {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("make a wrapping key: %w", err)
	}
	return p.save(key, filepath.Join(p.Dir, fmt.Sprintf("rsa-%d-%s.pk8", bits, NewID())))
}

// save writes a key so that nobody sees a part of it; fs.ErrExist if path is taken.
func (p *Pool) save(key *rsa.PrivateKey, path string) error {
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode a wrapping key: %w", err)
	}
	part := path + ".part-" + NewID()
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
		return nil, fmt.Errorf("read %s: %w", path, ErrNoKey)
	}
	return key, nil
}
