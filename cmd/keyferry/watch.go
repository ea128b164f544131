package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// talk is stderr: while something is drawn there, words go above it.
type talk struct{ p *program }

// Write implements io.Writer.
func (t talk) Write(text []byte) (int, error) {
	if d := t.p.drawn.Load(); d != nil {
		return d.Write(text) //nolint:wrapcheck // as stderr does
	}
	return t.p.stderr.Write(text) //nolint:wrapcheck // the same
}

// draws reports whether stderr is a terminal on which something can be drawn.
func (p *program) draws() bool {
	f, ok := p.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && p.getenv("TERM") != "dumb"
}

// tell is how often progress is told where it cannot be drawn.
const tell = 5 * time.Second

// watch tells how far many keys are: by a bar on a terminal, else by lines. A key is
// half done when it was brought everywhere.
type watch struct {
	p      *program
	now    time.Time // of the last change
	began  time.Time
	told   time.Time
	of     int
	begun  map[string]bool // keys that are under way
	done   int
	failed int
	words  atomic.Pointer[string]
	bar    *mpb.Bar // nil where nothing is drawn
}

func (p *program) watch(of int) *watch {
	now := p.now()
	w := &watch{p: p, now: now, began: now, told: now, of: of, begun: map[string]bool{}}
	w.words.Store(new(string))
	if p.draws() && of > 0 {
		w.draw()
	}
	return w
}

func (w *watch) draw() {
	d := mpb.New(mpb.WithOutput(w.p.stderr), mpb.WithWidth(30), mpb.WithAutoRefresh())
	words := func(decor.Statistics) string { return " " + *w.words.Load() }
	w.bar = d.AddBar(int64(2*w.of), mpb.AppendDecorators(decor.Any(words)))
	w.p.drawn.Store(d)
}

// one row is told of.
func (w *watch) one(r *importedRow) {
	w.now = w.p.now()
	switch r.State {
	case rowBegun:
		w.begun[r.Key] = true
	case rowFailed:
		w.failed++
		w.p.say("line %d: key %s: %s", r.Line, r.Key, r.Reason)
		fallthrough
	default:
		w.done++
		delete(w.begun, r.Key)
	}
	w.show()
}

func (w *watch) show() {
	words := w.text()
	w.words.Store(&words)
	if w.bar != nil {
		w.bar.SetCurrent(int64(2*w.done + len(w.begun)))
		return
	}
	if w.now.Sub(w.told) >= tell {
		w.told = w.now
		w.p.say("%s", words)
	}
}

// text is how far it is, how fast, and for how long at that rate.
func (w *watch) text() string {
	halves, took := 2*w.done+len(w.begun), w.now.Sub(w.began).Seconds()
	text := fmt.Sprintf("%d of %d keys", w.done, w.of)
	if n := len(w.begun); n > 0 {
		text += fmt.Sprintf(", %d begun", n)
	}
	if w.failed > 0 {
		text += fmt.Sprintf(", %d failed", w.failed)
	}
	if halves == 0 || took <= 0 {
		return text
	}
	rate := float64(halves) / 2 / took
	left := time.Duration(float64(2*w.of-halves) / 2 / rate * float64(time.Second)).Round(time.Second)
	return text + fmt.Sprintf(", %.1f a second, about %s left", rate, left)
}

// over takes the bar away; its last words stay.
func (w *watch) over() {
	if w.bar == nil {
		return
	}
	w.bar.Abort(false)
	d := w.p.drawn.Swap(nil)
	d.Wait()
}
