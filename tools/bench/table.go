package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// row is one line of the table: what is measured, and what it must be.
type row struct {
	name string
	what string
	must bound
	run  func(ctx context.Context, b *bench) ([]result, error)
}

// bound is what a figure must be; zero is no bound.
type bound struct {
	most, least float64
}

func (b bound) String() string {
	switch {
	case b.most > 0:
		return fmt.Sprintf("≤ %.4g", b.most)
	case b.least > 0:
		return fmt.Sprintf("≥ %.4g", b.least)
	default:
		return "reported"
	}
}

func (b bound) holds(f float64) bool {
	return (b.most == 0 || f <= b.most) && (b.least == 0 || f >= b.least)
}

// result is the figure of a row, and what it was made of.
type result struct {
	row    row
	of     string // which of a row's figures: a token's kind
	figure float64
	must   *bound // where it is not the row's
	parts  string // what it was made of, in words
}

func (r result) bound() bound {
	if r.must != nil {
		return *r.must
	}
	return r.row.must
}

func (r result) verdict() string {
	switch b := r.bound(); {
	case b == bound{}:
		return ""
	case b.holds(r.figure):
		return "yes"
	default:
		return "**no**"
	}
}

func (r result) String() string {
	return fmt.Sprintf("%s %s: %.3g (%s) %s; %s", r.row.name, r.of, r.figure, r.bound(), r.verdict(), r.parts)
}

// median of an odd or even number of figures.
func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// publish prints the table, and writes the page.
func publish(o options, results []result) error {
	page := pageOf(o, results)
	fmt.Print(page) //nolint:forbidigo // it is the answer
	if o.out == "" {
		return nil
	}
	if err := os.WriteFile(o.out, []byte(page), 0o600); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

func pageOf(o options, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench`. Ratios of two things measured in one run, in turns; medians of %d rounds, at %.4g of the number of keys.\n\n", o.rounds, o.scale)
	b.WriteString("| what | must be | is | holds | made of |\n|---|---|---|---|---|\n")
	for _, r := range results {
		what := r.row.what
		if r.of != "" {
			what += ": " + r.of
		}
		fmt.Fprintf(&b, "| %s | %s | %.3g | %s | %s |\n", what, r.bound(), r.figure, r.verdict(), r.parts)
	}
	b.WriteString("\n" + machine())
	return b.String()
}

// machine is where and with what it was measured.
func machine() string {
	lines := []string{
		"| machine | |", "|---|---|",
		fmt.Sprintf("| measured | %s |", time.Now().UTC().Format("2006-01-02 15:04 MST")), //nolint:forbidigo // a benchmark's clock
		fmt.Sprintf("| system | %s/%s, %d processors, %s |", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), said("uname", "-r")),
		fmt.Sprintf("| processor | %s |", processor()),
		fmt.Sprintf("| load when it ended | %s |", said("cut", "-d ", "-f1-3", "/proc/loadavg")),
		fmt.Sprintf("| Go | %s |", runtime.Version()),
		fmt.Sprintf("| SoftHSM | %s |", said("softhsm2-util", "--version")),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains([]string{"modernc.org/sqlite", "github.com/aws/aws-sdk-go-v2/service/kms", "github.com/miekg/pkcs11"}, m.Path) {
				lines = append(lines, fmt.Sprintf("| %s | %s |", m.Path, m.Version))
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func said(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output() //nolint:gosec,noctx // our own words, and they end at once
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
