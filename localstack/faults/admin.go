package faults

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// defaultWait bounds GET /calls/wait.
const defaultWait = time.Minute

// Subject is the emulator behind an admin API.
type Subject interface {
	Report() Report
	Configure(change []byte) error // JSON; an unknown field is an error
	Configuration() any            // without secrets
	Reset()                        // empties it; its settings stay
	Health() any
}

// admin is the admin API of one emulator.
type admin struct {
	engine  *Engine
	clock   *Clock
	subject Subject
}

// Admin serves the admin API of an emulator. It asks for no credentials: it is
// for loopback.
func Admin(e *Engine, s Subject) http.Handler {
	a := admin{engine: e, clock: e.clock, subject: s}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", a.addFault)
	mux.HandleFunc("GET /faults", a.listFaults)
	mux.HandleFunc("DELETE /faults", a.removeFault)
	mux.HandleFunc("DELETE /faults/{id}", a.removeFault)
	mux.HandleFunc("POST /faults/{id}/release", a.release)
	mux.HandleFunc("GET /calls", a.listCalls)
	mux.HandleFunc("GET /calls/wait", a.waitCall)
	mux.HandleFunc("GET /clock", a.showClock)
	mux.HandleFunc("POST /clock", a.moveClock)
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Configuration()) })
	mux.HandleFunc("POST /config", a.configure)
	mux.HandleFunc("POST /reset", a.reset)
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Report()) })
	mux.HandleFunc("GET /materials", a.reveal)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Health()) })
	return mux
}

func (a admin) addFault(w http.ResponseWriter, r *http.Request) {
	var rule Rule
	if err := decode(r.Body, &rule); err != nil {
		refuse(w, err)
		return
	}
	added, err := a.engine.Add(rule)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusCreated, added)
}

func (a admin) listFaults(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, a.engine.Rules())
}

func (a admin) removeFault(w http.ResponseWriter, r *http.Request) {
	done(w, a.engine.Remove(r.PathValue("id")))
}

func (a admin) release(w http.ResponseWriter, r *http.Request) {
	done(w, a.engine.Release(r.Context(), r.PathValue("id")))
}

func (a admin) listCalls(w http.ResponseWriter, r *http.Request) {
	q, _, err := parseQuery(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, a.engine.Calls(q))
}

func (a admin) waitCall(w http.ResponseWriter, r *http.Request) {
	q, timeout, err := parseQuery(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	call, err := a.engine.Wait(ctx, q)
	if err != nil {
		reply(w, http.StatusRequestTimeout, map[string]string{"error": ErrTimeout.Error()})
		return
	}
	reply(w, http.StatusOK, call)
}

func (a admin) showClock(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, a.clock.State())
}

func (a admin) moveClock(w http.ResponseWriter, r *http.Request) {
	var change ClockChange
	if err := decode(r.Body, &change); err != nil {
		refuse(w, err)
		return
	}
	if err := a.clock.apply(change); err != nil {
		refuse(w, err)
		return
	}
	a.showClock(w, r)
}

func (a admin) configure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = a.subject.Configure(body)
	}
	done(w, err)
}

func (a admin) reset(w http.ResponseWriter, _ *http.Request) {
	a.engine.Reset()
	a.subject.Reset()
	a.clock.SetOffset(0)
	w.WriteHeader(http.StatusNoContent)
}

// parseQuery reads what CallQuery.values writes, and how long to wait.
func parseQuery(v url.Values) (q CallQuery, timeout time.Duration, err error) {
	timeout = defaultWait
	text := map[string]*string{
		"service": &q.Service, "action": &q.Action, "region": &q.Region, "key": &q.Key, "key_id": &q.KeyID,
		"state": (*string)(&q.State), "fault": &q.Fault,
	}
	for name := range v {
		value := v.Get(name)
		tag, isTag := strings.CutPrefix(name, "tag.")
		switch {
		case text[name] != nil:
			*text[name] = value
		case isTag:
			if q.Tags == nil {
				q.Tags = map[string]string{}
			}
			q.Tags[tag] = value
		case name == "committed":
			q.Committed, err = strconv.ParseBool(value)
		case name == "since":
			q.Since, err = strconv.Atoi(value)
		case name == "timeout":
			timeout, err = parseSeconds(value)
		default:
			err = errors.New("no such parameter: " + name)
		}
		if err != nil {
			return CallQuery{}, 0, err
		}
	}
	return q, timeout, nil
}

func parseSeconds(text string) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, err
	}
	return Seconds(n).Duration(), Seconds(n).check()
}

// decode reads one JSON value, and refuses what it does not know and what comes after.
func decode(body io.Reader, v any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something comes after the JSON value")
	}
	return nil
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if errors.Is(err, ErrNoRule) {
		status = http.StatusNotFound
	}
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone is no error of ours
}
