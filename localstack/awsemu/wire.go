package awsemu

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// maxBody is more than any request of the API needs.
const maxBody = 1 << 20

// target precedes a KMS operation in X-Amz-Target.
const target = "TrentService."

// ServeHTTP takes a request of either protocol to the fault engine, which has it
// performed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := emu.NewID()
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("Date", s.clock.Now().Format(http.TimeFormat))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "read request", http.StatusRequestEntityTooLarge)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if isQuery(r) {
		s.engine.Serve(w, r, s.sts(r, id, body))
		return
	}
	s.engine.Serve(w, r, s.kms(r, id, r.Header.Get("X-Amz-Target"), body))
}

// isQuery tells the query protocol of STS from the JSON protocol of KMS.
func isQuery(r *http.Request) bool {
	return r.Header.Values("X-Amz-Target") == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// newCall is a request as far as its header tells, and whether its sender may be
// believed.
func (s *Server) newCall(r *http.Request, id, service string, body []byte) (*call, error) {
	c := &call{s: s, id: id, now: s.clock.Now()}
	who, err := s.authenticate(r, body, service, c.now)
	a, _ := parseAuthorization(r.Header.Get("Authorization"))
	c.who, c.place = who, place{who.account, a.region}
	return c, err
}

func (s *Server) kms(r *http.Request, id, operation string, body []byte) faults.Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, denied := s.newCall(r, id, "kms", body)
	name, ours := strings.CutPrefix(operation, target)
	c.action = name
	if denied == nil && !ours {
		denied = refuse(codeUnknownOperation, "no such target %s", operation)
	}
	if denied == nil && r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		denied = refuse(codeSerialization, "Content-Type is not application/x-amz-json-1.1")
	}
	var about subject
	_ = json.Unmarshal(body, &about) // what cannot be read is refused when performed
	return faults.Exchange{
		Call:   c.identify(s.nameTag, about),
		Commit: func() faults.Answer { return c.answer(denied, body) },
		Refuse: func(f faults.Refusal) faults.Answer {
			answer := jsonError(refusalError(f, "kms:"+c.action))
			if f.Status != 0 {
				answer.Status = f.Status
			}
			return answer
		},
		Lie: c.lie,
	}
}

func (c *call) answer(denied error, body []byte) faults.Answer {
	if denied != nil {
		return jsonError(denied)
	}
	out, err := c.perform(body)
	if err != nil {
		return jsonError(err)
	}
	if _, empty := out.(none); empty {
		return faults.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}}
	}
	return jsonAnswer(http.StatusOK, "", out)
}

func (s *Server) sts(r *http.Request, id string, body []byte) faults.Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, denied := s.newCall(r, id, "sts", body)
	form, err := url.ParseQuery(string(body))
	if denied == nil && err != nil {
		denied = refuse("MalformedQueryString", "the body is not a query string")
	}
	c.action = form.Get("Action")
	call := faults.Call{
		Service: "sts", Action: c.action, Account: c.place.account, Region: c.place.region, AccessKey: c.who.accessKey, RequestID: id,
	}
	return faults.Exchange{
		Call: call,
		Commit: func() faults.Answer {
			if denied != nil {
				return xmlError(denied, id)
			}
			out, err := c.performSTS(form)
			if err != nil {
				return xmlError(err, id)
			}
			return xmlAnswer(http.StatusOK, "", out)
		},
		Refuse: func(f faults.Refusal) faults.Answer {
			answer := xmlError(refusalError(f, "sts:"+c.action), id)
			if f.Status != 0 {
				answer.Status = f.Status
			}
			return answer
		},
		Lie: func(a faults.Answer) faults.Answer { return a },
	}
}
