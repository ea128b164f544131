package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// dump is the memory of a process at one moment, as a debugger would see it: all that
// it could have written to, without the pages that are all zeros.
type dump struct {
	when string
	part []memoryPart
}

// memoryPart is what lies together.
type memoryPart struct {
	heap heap
	data []byte
}

// heap is whose memory it is.
type heap string

const (
	goHeap heap = "Go heap"
	cHeap  heap = "C heap"
	other  heap = "other memory" // stacks, data of libraries, what the kernel maps
)

const page = 4096

// dumped reads a process by proc(5), maps and mem: no tool is needed, and what a core
// dump would leave out is there too.
func dumped(t *testing.T, when string, pid int) dump {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	fatal(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	fatal(t, err)
	defer func() { check(t, mem.Close()) }()
	d := dump{when: when}
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		m, ok := mappingOf(lines.Text())
		if !ok {
			continue
		}
		d.part = append(d.part, m.read(t, mem)...)
	}
	fatal(t, lines.Err())
	return d
}

// mapping is a line of maps that can be read and written.
type mapping struct {
	from, to uint64
	heap     heap
}

// mappingOf knows Go's arenas by their name where the kernel keeps names, else by where
// they are: above all that is loaded at a fixed place, below what the kernel maps, at a
// place that the runtime draws (malloc.go). C's are [heap], and what malloc maps.
func mappingOf(line string) (m mapping, ok bool) {
	fields := strings.Fields(line)
	from, to, _ := strings.Cut(fields[0], "-")
	m.from, _ = strconv.ParseUint(from, 16, 64)
	m.to, _ = strconv.ParseUint(to, 16, 64)
	name := strings.Join(fields[5:], " ")
	inArena := m.from>>32 > 0 && m.from>>44 < 7
	switch {
	case strings.HasPrefix(name, "[anon: Go: heap") || name == "" && inArena:
		m.heap = goHeap
	case name == "" || name == "[heap]":
		m.heap = cHeap
	default:
		m.heap = other
	}
	return m, strings.HasPrefix(fields[1], "rw") && name != "[vvar]"
}

// read gives the pages that hold something; those next to each other as one part.
func (m mapping) read(t *testing.T, mem io.ReaderAt) []memoryPart {
	t.Helper()
	var parts []memoryPart
	chunk, zero := make([]byte, 256*page), make([]byte, page)
	joined := false
	for at := m.from; at < m.to; at += uint64(len(chunk)) {
		n, err := mem.ReadAt(chunk[:min(uint64(len(chunk)), m.to-at)], int64(at))
		if err != nil && !errors.Is(err, io.EOF) && n == 0 {
			joined = false // reserved, and not mapped yet
			continue
		}
		for p := 0; p+page <= n; p += page {
			if bytes.Equal(chunk[p:p+page], zero) {
				joined = false
				continue
			}
			if !joined {
				parts = append(parts, memoryPart{heap: m.heap})
			}
			last := &parts[len(parts)-1]
			last.data, joined = append(last.data, chunk[p:p+page]...), true
		}
	}
	return parts
}

// size is how much was read, in bytes.
func (d dump) size() int {
	n := 0
	for _, p := range d.part {
		n += len(p.data)
	}
	return n
}

// places counts where one of the needles is.
func (d dump) places(needles ...[]byte) map[heap]int {
	found := map[heap]int{}
	for _, p := range d.part {
		for _, needle := range needles {
			found[p.heap] += bytes.Count(p.data, needle)
		}
	}
	return found
}
