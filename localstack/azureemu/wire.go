package azureemu

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// maxBody is more than any request of the API needs.
const maxBody = 1 << 20

// domain is what follows a vault's name in its host name.
func (v Vault) domain() string {
	if v.Mode == HSM {
		return "managedhsm.localhost"
	}
	return "vault.localhost"
}

// hostOf is a vault's host name with the port of this run.
func (s *Server) hostOf(v Vault) string {
	return strings.ToLower(v.Name) + "." + v.domain() + ":" + s.port
}

// resourceOf is what a token for a vault is for.
func (s *Server) resourceOf(v Vault) string { return "https://" + v.domain() + ":" + s.port }

// serveVault takes a request for a vault to the fault engine, which has it
// performed.
func (s *Server) serveVault(w http.ResponseWriter, r *http.Request) {
	id := emu.NewID()
	s.header(w, "x-ms-request-id", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "read request", http.StatusRequestEntityTooLarge)
		return
	}
	x, ok := s.exchange(r, id, body)
	if !ok {
		answer := errorAnswer(refuse(codeVaultNotFound, "the emulator has no vault at %s", r.Host))
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body) // a client that has gone is no error of ours
		return
	}
	s.engine.Serve(w, r, x)
}

// header is what every answer says: that it is an emulator's, its time, its id.
func (s *Server) header(w http.ResponseWriter, name, id string) {
	w.Header().Set("Server", "keyferry-emulator")
	w.Header().Set("Date", s.clock.Now().Format(http.TimeFormat))
	w.Header().Set(name, id)
}

// at is the vault that a Host header names.
func (s *Server) at(host string) *vault {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name, domain, _ := strings.Cut(strings.ToLower(host), ".")
	v := s.vaults[name]
	if v == nil || v.domain() != domain {
		return nil
	}
	return v
}

// exchange is a request as far as its header tells, and whether its sender may be
// believed: that comes before anything of the request is looked at.
func (s *Server) exchange(r *http.Request, id string, body []byte) (faults.Exchange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.at(r.Host)
	if v == nil {
		return faults.Exchange{}, false
	}
	c := &call{s: s, vault: v, query: r.URL.Query(), id: id, now: s.clock.Now()}
	c.route = parseRoute(r.Method, r.URL.Path)
	who, denied := s.authenticate(r.Header.Get("Authorization"), v)
	c.who = who
	return faults.Exchange{
		Call:   c.identify(r.Header.Get("Authorization") == "", c.tags(body)),
		Commit: func() faults.Answer { return c.answer(denied, body) },
		Refuse: c.refusal,
		Lie:    c.lie,
	}, true
}

// refusal is what a fault rule asks for.
func (c *call) refusal(f faults.Refusal) faults.Answer {
	answer := c.errorAnswer(c.refusalError(f))
	if f.Status != 0 {
		answer.Status = f.Status
	}
	return answer
}

// tags are those of the key a request is about, and those it brings.
func (c *call) tags(body []byte) map[string]string {
	out := map[string]string{}
	if k := c.vault.key(c.name); k != nil {
		maps.Copy(out, k.latest().tags)
	}
	var brought struct {
		Tags map[string]string `json:"tags"`
	}
	_ = json.Unmarshal(body, &brought) // what cannot be read is refused when performed
	maps.Copy(out, brought.Tags)
	return out
}

func (c *call) answer(denied error, body []byte) faults.Answer {
	if denied != nil {
		return c.errorAnswer(denied)
	}
	out, err := c.perform(body)
	if err != nil {
		return c.errorAnswer(err)
	}
	if _, nothing := out.(none); nothing {
		return faults.Answer{Status: http.StatusNoContent, Header: http.Header{}}
	}
	return jsonAnswer(http.StatusOK, "", out)
}

// none is the answer of operations that have no content to give.
type none struct{}

// errorAnswer is an error with the headers that belong to it: the challenge of an
// unauthorized request, and how long a throttled one is to wait.
func (c *call) errorAnswer(err error) faults.Answer {
	answer := errorAnswer(err)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	switch answer.Code {
	case codeUnauthorized:
		answer.Header.Set("WWW-Authenticate", c.s.challenge(c.vault.Vault))
	case codeThrottled:
		settings := c.settings()
		if settings.RetryAfter > 0 {
			answer.Header.Set("Retry-After", strconv.Itoa(settings.RetryAfter))
		}
		if settings.RetryAfterMillis > 0 {
			answer.Header.Set("Retry-After-Ms", strconv.Itoa(settings.RetryAfterMillis))
		}
	}
	return answer
}
