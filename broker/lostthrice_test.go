package broker_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// logged is the program started once, and what it logs.
func (w *world) logged(t *testing.T) (*broker.Broker, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o := w.options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b, &log
}

// losing answers a call unclearly each time, before it has an effect; on its third try
// only after it had one, where that is asked for.
func losing(call string, thirdArrives bool) func(string, bool) error {
	tries := 0
	return func(name string, before bool) error {
		if name != call {
			return nil
		}
		if before {
			tries++
		}
		if before == (tries == 3 && thirdArrives) {
			return nil
		}
		return broker.Unclear
	}
}

// A call whose every answer is lost is made three times, and the log tells of the two
// repeats alone: what ends is an error, and said once.
func TestALogTellsOnlyOfWhatIsDoneAgain(t *testing.T) {
	t.Parallel()
	for call, x := range map[string]struct {
		req     broker.ImportRequest
		message string
	}{
		"target prepare":      {lines()[0], "answer lost: prepare again"},
		"target import":       {lines()[0], "import again with a new wrapping key"},
		"newest wrapping-key": {intoVault("a"), "answer lost, another wrapping key is made"},
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := clouds(t)
			w.inject = losing(call, false)
			b, log := w.logged(t)
			if _, err := b.Import(t.Context(), x.req); err == nil {
				t.Error("it came to an end")
			}
			if told := strings.Count(log.String(), "level=WARN"); told != 2 || strings.Count(log.String(), x.message) != 2 {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// After the last lost answer too somebody looks: a key that appeared is filled, and
// nothing is left behind.
func TestTheLastLostAnswerIsLookedAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = losing("target prepare", true)
	if _, err := w.run(nil).Import(t.Context(), lines()[0]); err != nil {
		t.Fatal(err)
	}
	w.exactlyOne(t, "aes")
}

// Where nothing appeared, the error says so, and that nothing is there.
func TestThreeLostAnswersAndNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.inject = losing("target prepare", false)
	_, err := w.run(nil).Import(t.Context(), lines()[0])
	if !errors.Is(err, broker.Unavailable) || !strings.Contains(err.Error(), "no key appeared") {
		t.Errorf("%v", err)
	}
	if got := w.target.Report().Names["aes"]; len(got) != 0 {
		t.Errorf("there is %+v", got)
	}
}
