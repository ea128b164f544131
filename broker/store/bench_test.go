package store_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// floor is what a synced write of one page costs on this disk: what no store can
// do without. Benchmarks report themselves in multiples of it, which say the same
// on every machine.
func floor(b *testing.B) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	must(b, err)
	defer func() { must(b, f.Close()) }()
	page := make([]byte, pageSize)
	const rounds = 200
	began := time.Now()
	for range rounds {
		_, err := f.Write(page)
		must(b, err)
		must(b, f.Sync())
	}
	return time.Since(began) / rounds
}

// ratio reports the time of one round in multiples of unit.
func ratio(b *testing.B, unit time.Duration) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(unit), "synced-writes/op")
}

// BenchmarkApply is one change with a version, a placement and a sealed head.
func BenchmarkApply(b *testing.B) {
	unit := floor(b)
	s := opened(b, created(b))
	n := 0
	for b.Loop() {
		_, err := s.Apply(b.Context(), numbered(n))
		must(b, err)
		n++
	}
	ratio(b, unit)
}

// BenchmarkLease takes and gives back a key's lease.
func BenchmarkLease(b *testing.B) {
	unit := floor(b)
	s := opened(b, created(b))
	for b.Loop() {
		l := leaseFor("me")
		must(b, s.Lease(b.Context(), l))
		l.Release = true
		must(b, s.Lease(b.Context(), l))
	}
	ratio(b, unit)
}

// BenchmarkOpen opens and closes: what every command pays.
func BenchmarkOpen(b *testing.B) {
	unit := floor(b)
	path := sample(b)
	for b.Loop() {
		s, err := store.Open(b.Context(), store.Options{Path: path})
		must(b, err)
		must(b, s.Close())
	}
	ratio(b, unit)
}

// BenchmarkKey finds one key; its time must not grow with the inventory.
func BenchmarkKey(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run("of "+strconv.Itoa(size), func(b *testing.B) {
			s := inventory(b, size)
			for b.Loop() {
				_, err := s.Key(b.Context(), "key-000005")
				must(b, err)
			}
		})
	}
}

// BenchmarkKeys lists a whole inventory; the time a key must not grow with it.
func BenchmarkKeys(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run("of "+strconv.Itoa(size), func(b *testing.B) {
			s := inventory(b, size)
			for b.Loop() {
				for _, err := range s.Keys(b.Context(), broker.KeyFilter{}) {
					must(b, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/key")
		})
	}
}

// inventory is a store of so many keys.
func inventory(b *testing.B, size int) *store.Store {
	b.Helper()
	s := opened(b, created(b))
	for n := range size {
		_, err := s.Apply(b.Context(), numbered(n))
		must(b, err)
	}
	b.ResetTimer()
	return s
}
