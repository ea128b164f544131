package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// versionShown is what this program was built from.
type versionShown struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Modified string `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) version() *cli.Command {
	return p.command(leaf{
		name: "version", usage: "show what this program was built from",
		examples: []string{"keyferry version", "keyferry version --output json"},
		run: func(_ context.Context, c *call) error {
			if err := c.checkOutput(); err != nil {
				return err
			}
			out := builtFrom()
			return c.print(answer{value: out, tables: []any{facts(out)}})
		},
	})
}

func builtFrom() versionShown {
	out := versionShown{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	out.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			out.Revision = s.Value
		case "vcs.modified":
			out.Modified = s.Value
		}
	}
	return out
}
