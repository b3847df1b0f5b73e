package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/service/junk/features"
)

// A mail is a message of a corpus.
type mail struct {
	file string
	junk bool
	when time.Time
	set  features.Set
}

// load reads a corpus, oldest first.
func load(dir string) ([]*mail, error) {
	var all []*mail
	for _, class := range [...]string{"junk", "good"} {
		files, err := filepath.Glob(filepath.Join(dir, class, "*"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			all = append(all, &mail{file: f, junk: class == "junk"})
		}
	}
	if err := each(all, extract()); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *mail) int { return a.when.Compare(b.when) })
	return all, nil
}

// each does something to all mails, on all processors.
func each(all []*mail, do func(*mail) error) error {
	var wg sync.WaitGroup
	errs := make([]error, runtime.NumCPU())
	for n := range errs {
		wg.Go(func() {
			for i := n; i < len(all) && errs[n] == nil; i += len(errs) {
				errs[n] = do(all[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func extract() func(*mail) error {
	x := features.New()
	return func(m *mail) error {
		raw, err := os.ReadFile(m.file)
		if err != nil {
			return err
		}
		m.when = timeOf(raw)
		m.set = x.Extract(read(raw))
		return nil
	}
}

// read parses a message, with the facts that its own header tells: what the one who got it wrote in front.
func read(raw []byte) *features.Message {
	raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	p := message.NewParser(message.Limits{})
	p.Write(raw)
	s := p.Finish()
	rec := summary.Make(s, "")
	facts := features.FactsOf([]byte(s.Header.Raw), "none")
	return &features.Message{Summary: rec, Body: bytes.NewReader(raw), Facts: facts}
}

// timeOf is when a message came: by its first Received field that tells, or when it says it was written.
func timeOf(raw []byte) time.Time {
	header, _, _ := bytes.Cut(raw, []byte("\n\n"))
	h := message.ParseHeader(string(header) + "\n\n")
	for _, v := range h.All("Received") {
		if i := strings.LastIndexByte(v, ';'); i >= 0 {
			if t, ok := message.ParseDate(v[i+1:]); ok && t.Year() > 1990 && t.Year() < 2030 {
				return t
			}
		}
	}
	t, _ := message.ParseDate(h.Get("Date"))
	return t
}

// halves splits each class of a corpus by time: the older half is for learning, the newer for testing. In both, junk and good
// mail are mixed evenly, each in its own order of time: they were often collected in different months.
func halves(all []*mail) (older, newer []*mail) {
	var junk, good []*mail
	for _, m := range all {
		if m.junk {
			junk = append(junk, m)
		} else {
			good = append(good, m)
		}
	}
	return zip(junk[:len(junk)/2], good[:len(good)/2]), zip(junk[len(junk)/2:], good[len(good)/2:])
}

// zip mixes two lists evenly.
func zip(a, b []*mail) []*mail {
	all := make([]*mail, 0, len(a)+len(b))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if j >= len(b) || i < len(a) && i*len(b) <= j*len(a) {
			all = append(all, a[i])
			i++
		} else {
			all = append(all, b[j])
			j++
		}
	}
	return all
}
