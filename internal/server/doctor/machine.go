package doctor

import (
	"context"
	"os"

	"postroad/internal/service/setup"
)

// What is too little.
const (
	lowSpace  = 10 << 30 // free bytes, where that is also less than a tenth
	noSpace   = 1 << 30
	spareFile = 1024 // files that the server has open beside connections
)

// store looks at the disk, and at who may read what lies there.
func (e *examination) store(context.Context) {
	free, total, err := e.Space(e.Data)
	switch {
	case err != nil:
		e.unknown("disk", err)
	case free < noSpace:
		e.tell(setup.Wrong, "disk", "make room, or mail is refused soon", "only %d MiB of %s are free", free>>20, e.Data)
	case free < lowSpace && free < total/10:
		e.tell(setup.Warn, "disk", "make room", "%d GiB of %d are free in %s", free>>30, total>>30, e.Data)
	default:
		e.ok("disk", "%d GiB are free in %s", free>>30, e.Data)
	}
	closed := true
	for _, path := range append([]string{e.Data}, e.Secrets...) {
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			e.tell(setup.Wrong, "secrets", "chmod go-rwx "+path, "others on this machine can open %s (mode %o)", path, info.Mode().Perm())
			closed = false
		}
	}
	if closed {
		e.ok("secrets", "nobody else on this machine can read what is stored")
	}
}

// files looks at how many connections the system lets the server have.
func (e *examination) files(context.Context) {
	n, err := e.Files()
	switch {
	case err != nil:
		e.unknown("limits", err)
	case n < e.Connections+spareFile:
		e.tell(setup.Warn, "limits", "raise LimitNOFILE in the unit, or ulimit -n", "%d files can be open at a time, too few for %d connections", n, e.Connections)
	default:
		e.ok("limits", "%d files can be open at a time", n)
	}
}
