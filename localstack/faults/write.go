package faults

import (
	"context"
	"maps"
	"net/http"
	"strconv"
)

// slowPieces is into how many pieces a slow answer is cut.
const slowPieces = 8

// write sends an answer and reports whether the client got all of it.
func (e *Engine) write(ctx context.Context, w http.ResponseWriter, h *hit, a Answer) bool {
	maps.Copy(w.Header(), a.Header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	switch {
	case h != nil && h.Kind == Truncate:
		return send(w, a.Body[:len(a.Body)/2]) && false
	case h != nil && h.Kind == Slow:
		return e.writeSlowly(ctx, w, h, a.Body)
	default:
		return send(w, a.Body)
	}
}

func (e *Engine) writeSlowly(ctx context.Context, w http.ResponseWriter, h *hit, body []byte) bool {
	clock := e.clockOf(h)
	pause := h.After.Duration() / slowPieces
	for i := range slowPieces {
		if err := clock.Until(ctx, clock.Now().Add(pause), h.gate.open); err != nil {
			return false
		}
		if !send(w, body[len(body)*i/slowPieces:len(body)*(i+1)/slowPieces]) {
			return false
		}
	}
	return true
}

// send writes and flushes; a client that has gone is no error of ours.
func send(w http.ResponseWriter, body []byte) bool {
	if _, err := w.Write(body); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}
