// Command bench measures whole runs of the built program against bare programs that make the same calls, and against the
// bounds that the project set itself. It prints a table, and writes it with machine, versions and medians to a page.
//
// Every figure is a ratio of two things measured in one run, in turns, and the median of so many rounds: the machine's own
// speed cancels out, and what else it does while it measures mostly.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options of a run.
type options struct {
	scale  float64 // of how many keys each row brings
	rounds int
	out    string // the page to write; "" none
	only   *regexp.Regexp
}

func run(ctx context.Context) error {
	var o options
	only := flag.String("only", "", "rows whose name matches this `expression`")
	flag.Float64Var(&o.scale, "scale", 1, "of the number of keys")
	flag.IntVar(&o.rounds, "rounds", 3, "of each row, of which the median counts")
	flag.StringVar(&o.out, "out", "", "the page to write: `FILE`")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	programs, err := build(ctx)
	if err != nil {
		return err
	}
	defer programs.remove()
	var results []result
	for _, r := range rows() {
		if !o.only.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "--- %s\n", r.name)
		got, err := r.run(ctx, &bench{options: o, programs: programs})
		if err != nil {
			return fmt.Errorf("measure %s: %w", r.name, err)
		}
		for i := range got {
			got[i].row = r
			fmt.Fprintln(os.Stderr, got[i])
		}
		results = append(results, got...)
	}
	return publish(o, results)
}

// bench is what a row works with.
type bench struct {
	options
	programs programs
}

// keys is a number of keys at the run's scale.
func (b *bench) keys(n int) int { return max(2, int(float64(n)*b.scale)) }
