package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (*versionCmd) Run(g *Globals, t terminal) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		System  string `json:"system"`
	}{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return g.show(t, v, func() { fmt.Fprintf(t.out, "postroad %s (%s, %s)\n", v.Version, v.Go, v.System) })
}

// version is that of the source: the module's, or the commit's.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
