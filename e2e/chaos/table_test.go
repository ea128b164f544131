package chaos_test

import (
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/keyferry/keyferry/localstack/faults"
)

// tally is what a whole run came to.
type tally struct {
	mu       sync.Mutex
	cells    map[cell]int
	kills    int
	restarts int
	findings
	named []*named // of each scenario
}

// named is what a scenario came to.
type named struct {
	name        string
	runs, kills int // of the program until it ended, besides
	findings
}

// of adds a scenario, whose own test fills it in.
func (y *tally) of(name string) *named {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := &named{name: name}
	y.named = append(y.named, n)
	return n
}

// scenarios is the table of scenarios.
func (y *tally) scenarios() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "fault\tkills\trestarts\tkeys\torphans\ttwins\tlate\tundecided\tunused KEKs\twrong\t")
	for _, n := range y.named {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			n.name, n.kills, n.kills+n.runs, n.keys, n.orphans, n.twins, n.late, n.undecided, n.keks, len(n.wrong))
	}
	_ = table.Flush()
	return b.String()
}

func (y *tally) killed(c cell) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.cells[c]++
	y.kills++
}

func (y *tally) restarted() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.restarts++
}

func (y *tally) judged(f findings) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.keys += f.keys
	y.orphans += f.orphans
	y.twins += f.twins
	y.late += f.late
	y.undecided += f.undecided
	y.keks += f.keks
	y.halves += f.halves
}

// String is the table of steps, places and sides, and the counts.
func (y *tally) String() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(table, "killed at\t") // a builder takes everything
	for _, at := range places() {
		_, _ = fmt.Fprintf(table, "%s before\tafter\t", at)
	}
	_, _ = fmt.Fprintln(table)
	for _, step := range steps() {
		if step == anyMoment {
			_, _ = fmt.Fprintf(table, "%s\t%d\t\n", step, y.cells[cell{step: step}])
			continue
		}
		_, _ = fmt.Fprintf(table, "%s\t", step)
		for _, at := range places() {
			for _, side := range sides() {
				_, _ = fmt.Fprintf(table, "%s\t", y.at(step, at, side))
			}
		}
		_, _ = fmt.Fprintln(table)
	}
	_ = table.Flush()
	return b.String() + y.counts()
}

func (y *tally) at(step, at string, side faults.When) string {
	if !there(step, at) {
		return "–"
	}
	return fmt.Sprint(y.cells[cell{step, at, side}])
}

func (y *tally) counts() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "kills\trestarts\tkeys\torphans\ttwins\tlate\tundecided\tunused KEKs\thalf objects\t")
	_, _ = fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
		y.kills, y.restarts, y.keys, y.orphans, y.twins, y.late, y.undecided, y.keks, y.halves)
	_ = table.Flush()
	return b.String()
}

// empty are the cells at which nothing was killed.
func (y *tally) empty() (none []cell) {
	for _, c := range cells() {
		if y.cells[c] == 0 {
			none = append(none, c)
		}
	}
	return none
}
