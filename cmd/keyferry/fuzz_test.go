package main

import (
	"strings"
	"testing"
)

// A head that is taken is written the same again.
func FuzzParseHead(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	for _, text := range []string{"", "1:" + hash, "01:" + hash, "+1:" + hash, "9223372036854775808:" + hash, "1:" + strings.ToUpper(hash), "1:", ":", "1:" + hash + "0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		head, err := parseHead(text)
		if err != nil || head == nil {
			if head != nil || (text == "") != (err == nil) {
				t.Errorf("%q: %v, %v", text, head, err)
			}
			return
		}
		if headText(*head) != text {
			t.Errorf("%q is taken for %s", text, headText(*head))
		}
	})
}

// A lease's holder comes from the store; nobody but a process of this machine is ever
// found to be dead by it.
func FuzzParseHolder(f *testing.F) {
	me := newHolder()
	for _, text := range []string{me, "", "    ", "h b s 1 2", "h b s -1 2", "h b s 99999999999999999999 2", me + " x"} {
		f.Add(text)
	}
	own, _ := parseHolder(me)
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parseHolder(text)
		if !ok {
			if stale(text) {
				t.Errorf("%q is no holder, and is dead", text)
			}
			return
		}
		if h.PID < 1 {
			t.Errorf("%q has PID %d", text, h.PID)
		}
		if again, ok := parseHolder(h.String()); !ok || again != h {
			t.Errorf("%q is %+v and then %+v", text, h, again)
		}
		if h.Host != own.Host && stale(text) {
			t.Errorf("%q is of another machine, and is dead", text)
		}
	})
}
