package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyferry/keyferry/localstack/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is an emulator of one number: every call adds one and answers the sum.
// The header Action, Key and Size say what a request is.
type counter struct {
	engine *faults.Engine
	clock  *faults.Clock
	sum    int
	mu     sync.Mutex
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	answer := func(code string, status int, text string) faults.Answer {
		return faults.Answer{Status: status, Code: code, Body: []byte(text), Header: http.Header{"Service": {"counter"}}}
	}
	c.engine.Serve(w, r, faults.Exchange{
		Call: faults.Call{
			Service: "counter", Action: r.Header.Get("Action"), Key: r.Header.Get("Key"),
			Tags: map[string]string{"team": r.Header.Get("Team")},
		},
		Commit: func() faults.Answer {
			c.mu.Lock()
			defer c.mu.Unlock()
			if r.Header.Get("Action") == "Refused" {
				return answer("NoException", http.StatusBadRequest, "no")
			}
			c.sum++
			return answer("", http.StatusOK, "sum="+strconv.Itoa(c.sum))
		},
		Refuse: func(f faults.Refusal) faults.Answer {
			return answer(string(f.Kind)+f.Code, max(f.Status, http.StatusBadRequest), f.Message)
		},
		Lie: func(a faults.Answer) faults.Answer { a.Body = bytes.ToUpper(a.Body); return a },
	})
}

func (c *counter) Report() faults.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := faults.NewReport(c.clock.Now())
	for range c.sum {
		r.Add(faults.KeyReport{Ref: "a", Name: "n"}, nil)
	}
	r.Finish()
	return *r
}

func (c *counter) Configure(change []byte) error {
	var in struct{ Sum int }
	d := json.NewDecoder(bytes.NewReader(change))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum = in.Sum
	return nil
}

func (c *counter) Configuration() any { return map[string]int{"Sum": c.total()} }
func (c *counter) Health() any        { return map[string]string{"service": "counter"} }
func (c *counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum = 0
}

func (c *counter) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}

// bench is a counter, its admin API, and a client of each.
type bench struct {
	*testing.T
	*counter
	admin faults.Client
	url   string
}

func start(t *testing.T) *bench {
	t.Helper()
	clock := faults.NewClock(time.Now)
	c := &counter{clock: clock, engine: faults.NewEngine(clock, time.Now)}
	service, admin := httptest.NewServer(c), httptest.NewServer(faults.Admin(c.engine, c))
	http := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		c.engine.Close()
		http.CloseIdleConnections()
		service.Close()
		admin.Close()
	})
	return &bench{T: t, counter: c, admin: faults.Client{URL: admin.URL, HTTP: http}, url: service.URL}
}

func (b *bench) add(r faults.Rule) string {
	b.Helper()
	id, err := b.admin.Add(b.Context(), r)
	if err != nil {
		b.Fatalf("add rule: %v", err)
	}
	return id
}

// outcome is what a client saw of a call.
type outcome struct {
	status int
	body   string
	header http.Header
	err    error
}

// send makes a call on a connection of its own. pairs are headers.
func (b *bench) send(ctx context.Context, pairs ...string) outcome {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, http.NoBody)
	if err != nil {
		return outcome{err: err}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return outcome{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return outcome{resp.StatusCode, string(text), resp.Header, err}
}

// later sends in the background.
func (b *bench) later(ctx context.Context, pairs ...string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() { done <- b.send(ctx, pairs...) }()
	return done
}

func (b *bench) wait(q faults.CallQuery) faults.CallState {
	b.Helper()
	c, err := b.admin.Wait(b.Context(), q)
	if err != nil {
		b.Fatalf("wait for %+v: %v", q, err)
	}
	return c
}

func (b *bench) want(o outcome, status int, body string) {
	b.Helper()
	if o.err != nil || o.status != status || o.body != body {
		b.Errorf("got %d %q %v, want %d %q", o.status, o.body, o.err, status, body)
	}
}

func (b *bench) lost(o outcome) {
	b.Helper()
	if o.err == nil {
		b.Errorf("got %d %q, want a lost answer", o.status, o.body)
	}
}

func (b *bench) wantTotal(n int) {
	b.Helper()
	if got := b.total(); got != n {
		b.Errorf("%d commits, want %d", got, n)
	}
}
