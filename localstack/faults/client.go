package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client speaks to an emulator's admin API.
type Client struct {
	URL  string       // of the admin port, "http://127.0.0.1:4567"
	HTTP *http.Client // nil is http.DefaultClient
}

// Add puts a rule in force and returns its id.
func (c Client) Add(ctx context.Context, r Rule) (string, error) {
	var added RuleState
	err := c.call(ctx, http.MethodPost, "/faults", r, &added)
	return added.ID, err
}

// Rules lists the rules in the order they were added, with what became of them.
func (c Client) Rules(ctx context.Context) ([]RuleState, error) {
	var out []RuleState
	return out, c.call(ctx, http.MethodGet, "/faults", nil, &out)
}

// Remove takes a rule out; what it holds goes on. Without an id, all rules.
func (c Client) Remove(ctx context.Context, id string) error {
	if id != "" {
		id = "/" + url.PathEscape(id)
	}
	return c.call(ctx, http.MethodDelete, "/faults"+id, nil, nil)
}

// Release lets every call go on that the rule holds or makes late, and returns
// when each of them has committed, if it was to.
func (c Client) Release(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/faults/"+url.PathEscape(id)+"/release", nil, nil)
}

// Calls is the log of calls that fit q, oldest first.
func (c Client) Calls(ctx context.Context, q CallQuery) ([]CallState, error) {
	var out []CallState
	return out, c.call(ctx, http.MethodGet, "/calls?"+q.values().Encode(), nil, &out)
}

// Wait returns the first call that fits q, as soon as there is one. Its error is
// the context's, or [ErrTimeout] after a minute.
func (c Client) Wait(ctx context.Context, q CallQuery) (CallState, error) {
	var out CallState
	return out, c.call(ctx, http.MethodGet, "/calls/wait?"+q.values().Encode(), nil, &out)
}

// Advance moves the emulator's clock by d, which may be negative, and returns its time.
func (c Client) Advance(ctx context.Context, d time.Duration) (time.Time, error) {
	var out ClockState
	return out.Now, c.clock(ctx, ClockChange{Advance: Seconds(d.Seconds())}, &out)
}

// SetOffset puts the emulator's clock d ahead of real time, and returns its time.
func (c Client) SetOffset(ctx context.Context, d time.Duration) (time.Time, error) {
	offset := Seconds(d.Seconds())
	var out ClockState
	return out.Now, c.clock(ctx, ClockChange{Offset: &offset}, &out)
}

func (c Client) clock(ctx context.Context, change ClockChange, out *ClockState) error {
	return c.call(ctx, http.MethodPost, "/clock", change, out)
}

// Configure changes the emulator's settings; what they are, the emulator says.
// An unknown setting is an error.
func (c Client) Configure(ctx context.Context, settings any) error {
	return c.call(ctx, http.MethodPost, "/config", settings, nil)
}

// Reset empties the emulator: keys, faults, calls, clock; settings stay.
func (c Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/reset", nil, nil)
}

// Report is what the emulator holds.
func (c Client) Report(ctx context.Context) (Report, error) {
	var out Report
	return out, c.call(ctx, http.MethodGet, "/report", nil, &out)
}

// call does one request; in and out are JSON, nil for none.
func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	err := c.send(ctx, method, path, in, out)
	if err != nil {
		return fmt.Errorf("ask emulator %s %s: %w", method, path, err)
	}
	return nil
}

func (c Client) send(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, &body)
	if err != nil {
		return err
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode == http.StatusRequestTimeout:
		return ErrTimeout
	case resp.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// values are q as a query string; tags are "tag.NAME=VALUE".
func (q CallQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"service": q.Service, "action": q.Action, "region": q.Region, "key": q.Key, "key_id": q.KeyID,
		"state": string(q.State), "fault": q.Fault,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, value := range q.Tags {
		v.Set("tag."+name, value)
	}
	if q.Committed {
		v.Set("committed", "true")
	}
	if q.Since > 0 {
		v.Set("since", strconv.Itoa(q.Since))
	}
	return v
}
