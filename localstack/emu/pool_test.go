package emu_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pool(t *testing.T, c emu.PoolConfig) *emu.Pool {
	t.Helper()
	return emutest.Must(emu.NewPool(c))(t)
}

// shared is a wrapping key of the tests of all emulators.
func shared(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	p := pool(t, emu.PoolConfig{Dir: filepath.Join("..", "..", ".cache", "wrapping-keys"), Reuse: true})
	return emutest.Must(p.Take(2048))(t)
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreUsedOnceAndTakenFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := shared(t)
	write(t, filepath.Join(dir, "rsa-2048-made-ahead.pk8"), emutest.Must(x509.MarshalPKCS8PrivateKey(key))(t))
	p := pool(t, emu.PoolConfig{Dir: dir})
	if got := emutest.Must(p.Take(2048))(t); !got.Equal(key) {
		t.Error("the key made ahead was not taken")
	}
	if left := emutest.Must(filepath.Glob(filepath.Join(dir, "*")))(t); len(left) != 0 {
		t.Errorf("left in the pool: %v", left)
	}
	if got := emutest.Must(p.Take(2048))(t); got.Equal(key) || got.N.BitLen() != 2048 {
		t.Error("a wrapping key was given out twice")
	}
}

func TestWhatIsNoKeyIsRefusedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rsa-3072-x.pk8"), emutest.Must(x509.MarshalPKCS8PrivateKey(shared(t)))(t))
	p := pool(t, emu.PoolConfig{Dir: dir})
	if _, err := p.Take(3072); !errors.Is(err, emu.ErrNoKey) {
		t.Errorf("took a key of 2048 bits for 3072: %v", err)
	}
	write(t, filepath.Join(dir, "rsa-2048-x.pk8"), []byte("no key"))
	if _, err := p.Take(2048); err == nil {
		t.Error("took no key for a key")
	}
	emutest.Must(p.Take(2048))(t)
}

func TestOneKeyForAllThatReuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := make(chan *rsa.PrivateKey, 8)
	var all sync.WaitGroup
	for range cap(keys) / 2 {
		p := pool(t, emu.PoolConfig{Dir: dir, Reuse: true})
		all.Go(func() {
			for range 2 {
				key, err := p.Take(2048)
				if err != nil {
					t.Error(err)
				}
				keys <- key
			}
		})
	}
	all.Wait()
	close(keys)
	first := <-keys
	for key := range keys {
		if !key.Equal(first) {
			t.Error("another wrapping key")
		}
	}
}

func TestReusedWithoutADirectory(t *testing.T) {
	t.Parallel()
	p := pool(t, emu.PoolConfig{Reuse: true})
	if first := emutest.Must(p.Take(2048))(t); !emutest.Must(p.Take(2048))(t).Equal(first) {
		t.Error("another wrapping key")
	}
}

func TestFilledUntilTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// All sizes but one are there, so that filling is quick.
	for _, name := range []string{"rsa-4096-x.pk8", "rsa-3072-x.pk8"} {
		write(t, filepath.Join(dir, name), nil)
	}
	p := pool(t, emu.PoolConfig{Dir: dir, Size: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Fill(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	for range 2 { // the second because the first was taken
		wait(t, filepath.Join(dir, "rsa-2048-*.pk8"))
		emutest.Must(p.Take(2048))(t)
	}
}

func wait(t *testing.T, pattern string) {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if made := emutest.Must(filepath.Glob(pattern))(t); len(made) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no key was made ahead")
		}
	}
}

func TestNothingToFill(t *testing.T) {
	t.Parallel()
	for _, c := range []emu.PoolConfig{{}, {Dir: t.TempDir()}, {Dir: t.TempDir(), Size: 1, Reuse: true}} {
		if err := pool(t, c).Fill(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestPoolNeedsItsDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := emu.NewPool(emu.PoolConfig{Dir: filepath.Join(file, "x")}); err == nil {
		t.Error("made below a file")
	}
}
