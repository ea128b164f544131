package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker/config"
)

// commonFlags are on every command.
func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "read the config from `FILE` (else KEYFERRY_CONFIG, ./keyferry.yaml, ~/.config/keyferry/keyferry.yaml)"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "answer as `FORMAT`: " + strings.Join(formats(), ", ")},
		&cli.BoolFlag{Name: "verbose", Usage: "tell more on stderr"},
		helpFlag(),
	}
}

// helpFlag is our own: urfave's is one variable that every run of it writes.
func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}

// changeFlags are on every command that changes something.
func changeFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would be done, and do nothing"},
		&cli.BoolFlag{Name: "yes", Usage: "do not ask before changing production"},
		&cli.StringFlag{Name: "reason", Usage: "why, for the audit: `TEXT`"},
		&cli.StringFlag{Name: "ticket", Usage: "number of a ticket or change, for the audit: `ID`"},
	)
}

func validToFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "valid-to", Usage: usage} }

func targetFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "target", Usage: usage}
}

// when reads a time: RFC 3339, a date (its first moment in UTC), or a duration
// from now.
func (c *call) when(flag string) (time.Time, error) {
	return c.timeIn("--"+flag, c.String(flag))
}

// timeIn reads it from a text that stands in what is named.
func (c *call) timeIn(place, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, misuse("%s: %q is no time: write 2027-01-31, 2027-01-31T12:00:00Z or a duration like 90d", place, text)
	}
	return c.p.now().Add(time.Duration(d)).UTC().Truncate(time.Second), nil
}

// fromNow reports whether a flag's time is counted from now.
func (c *call) fromNow(flag string) bool { return isSpan(c.String(flag)) }

// isSpan reports whether a text is a duration.
func isSpan(text string) bool {
	_, err := config.ParseDuration(text)
	return err == nil
}

// span reads a duration; 0 where the flag was not given.
func (c *call) span(flag string) (time.Duration, error) {
	text := c.String(flag)
	if text == "" {
		return 0, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0, misuse("--%s: %w", flag, err)
	}
	return time.Duration(d), nil
}

// pairs reads NAME=VALUE flags.
func (c *call) pairs(flag string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range c.StringSlice(flag) {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, misuse("--%s: %q is not NAME=VALUE", flag, text)
		}
		if _, twice := out[name]; twice {
			return nil, misuse("--%s: %q is there twice", flag, name)
		}
		out[name] = value
	}
	return out, nil
}

// without refuses flags that say nothing beside another one: what is asked for is never
// left out in silence.
func (c *call) without(beside string, flags ...string) error {
	for _, flag := range flags {
		if c.IsSet(flag) {
			return misuse("--%s says nothing about --%s", flag, beside)
		}
	}
	return nil
}

// choice reads a flag that must be one of the words; "" where it was not given.
func choice[S ~string](c *call, flag string, allowed []S) (S, error) {
	word := S(c.String(flag))
	if word == "" || slices.Contains(allowed, word) {
		return word, nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	near := orNear(string(word), names)
	if all := thereAre(names); near != all {
		near += " " + strings.TrimPrefix(all, "; ") // one that looks alike may be another than is meant
	}
	return "", misuse("--%s: %q is unknown%s", flag, string(word), near)
}
