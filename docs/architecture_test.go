package docs

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// The picture of the house shows all its rooms: each package is named in architecture.md. One that helps tests says so by its name.
func TestArchitectureNamesAllPackages(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	err = fs.WalkDir(os.DirFS("../internal"), ".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || dir == "." || strings.HasSuffix(dir, "test") || !hasCode(dir) {
			return err
		}
		_, below, _ := strings.Cut(dir, "/")
		if !named[path.Base(dir)] && !named[below] {
			t.Errorf("architecture.md doesn't name %s", dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hasCode reports whether a folder below internal is a package.
func hasCode(dir string) bool {
	files, _ := fs.Glob(os.DirFS("../internal"), path.Join(dir, "*.go"))
	return len(files) > 0
}
