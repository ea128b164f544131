package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/store"
)

// sizes of the inventories that are measured; KEYFERRY_BENCH_KEYS adds a larger one.
func sizes(b *testing.B) []int {
	b.Helper()
	all := []int{10, 1000}
	if more := os.Getenv("KEYFERRY_BENCH_KEYS"); more != "" {
		n, err := strconv.Atoi(more)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// grown is a world with so many imported keys.
func grown(b *testing.B, keys int) *world {
	b.Helper()
	w := newWorld(b, quick())
	reqs := make([]broker.ImportRequest, keys)
	for i := range reqs {
		reqs[i] = broker.ImportRequest{Name: fmt.Sprintf("payments/key-%06d", i), Spec: broker.AES256, Targets: []string{"cloud"}}
	}
	for o := range w.run(nil).ImportEach(b.Context(), reqs, 4) {
		if o.Err != nil {
			b.Fatal(o.Err)
		}
	}
	if to := os.Getenv("KEYFERRY_BENCH_KEEP"); to != "" {
		path := filepath.Join(to, fmt.Sprintf("%d-keys.db", keys))
		if err := w.store.(*store.Store).Backup(b.Context(), path); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// BenchmarkStart is what a command does before it does anything, and a look at one
// key: neither may grow with the inventory or its audit.
func BenchmarkStart(b *testing.B) {
	for _, keys := range sizes(b) {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			w := grown(b, keys)
			req := broker.ImportRequest{Name: "payments/key-000005", Spec: broker.AES256, Targets: []string{"cloud"}}
			for b.Loop() {
				if r, err := w.run(nil).Import(b.Context(), req); err != nil || !r.AlreadyDone {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkImport is a whole import beside so many keys, by a process that stays.
func BenchmarkImport(b *testing.B) {
	for _, keys := range sizes(b) {
		b.Run(fmt.Sprintf("beside %d keys", keys), func(b *testing.B) {
			w := grown(b, keys)
			process, n := w.run(nil), 0
			for b.Loop() {
				req := broker.ImportRequest{Name: fmt.Sprint("more/", n), Spec: broker.AES256, Targets: []string{"cloud"}}
				if _, err := process.Import(b.Context(), req); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(liveMiB(), "live-MiB")
			runtime.KeepAlive(process)
		})
	}
}

// BenchmarkVerifyAudit goes through all of it; what it keeps in memory may not grow.
func BenchmarkVerifyAudit(b *testing.B) {
	for _, keys := range sizes(b) {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			w := grown(b, keys)
			for b.Loop() {
				if r, err := w.run(nil).VerifyAudit(b.Context(), nil); err != nil || len(r.Faults) > 0 {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*keys), "µs/key")
		})
	}
}

// liveMiB is what is in use after a collection.
func liveMiB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}
