package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A filter is another one, that is asked over its own protocol.
type filter interface {
	// score says how much a message is like junk.
	score(raw []byte) (float64, error)
	// teach tells it what a message is.
	teach(raw []byte, junk bool) error
}

// ask has another filter judge or learn the messages of a list, and prints a line for each that it judged: its score, what it
// is, and how long it took in microseconds. ask [-learn] spamd|rspamd ADDRESS LIST
func ask(args []string) error {
	set := flag.NewFlagSet("ask", flag.ContinueOnError)
	learn := set.Bool("learn", false, "teach instead of asking")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() != 3 {
		return fmt.Errorf("usage: ask [-learn] spamd|rspamd ADDRESS LIST")
	}
	var f filter = &spamd{set.Arg(1)}
	if set.Arg(0) == "rspamd" {
		f = &rspamd{set.Arg(1)}
	}
	all, err := readList(set.Arg(2))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var mu sync.Mutex
	return each(all, func(m *mail) error {
		raw, err := os.ReadFile(m.file)
		if err != nil {
			return err
		}
		if *learn {
			return f.teach(raw, m.junk)
		}
		start := time.Now()
		s, err := f.score(raw)
		took := time.Since(start)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%g\t%t\t%d\t%s\n", s, m.junk, took.Microseconds(), m.file)
		return err
	})
}

// readList reads what split wrote.
func readList(file string) ([]*mail, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*mail
	for l := range strings.Lines(string(b)) {
		class, name, ok := strings.Cut(strings.TrimSpace(l), "\t")
		if !ok {
			return nil, fmt.Errorf("%s: %q", file, l)
		}
		all = append(all, &mail{file: name, junk: class == "junk"})
	}
	return all, nil
}

// split writes lists of a corpus's older and newer half: split [-max N] DIR OLDER NEWER
func split(args []string) error {
	set := flag.NewFlagSet("split", flag.ContinueOnError)
	most := set.Int("max", 0, "messages of a class in each half, at most")
	if err := set.Parse(args); err != nil {
		return err
	}
	all, err := load(set.Arg(0))
	if err != nil {
		return err
	}
	older, newer := halves(all)
	for i, half := range [...][]*mail{older, newer} {
		var b strings.Builder
		for _, m := range thin(half, *most) {
			fmt.Fprintf(&b, "%s\t%s\n", map[bool]string{true: "junk", false: "good"}[m.junk], m.file)
		}
		if err := os.WriteFile(set.Arg(1+i), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// thin takes most messages of each class, evenly spread.
func thin(all []*mail, most int) []*mail {
	count, taken := map[bool]int{}, map[bool]int{}
	for _, m := range all {
		count[m.junk]++
	}
	var some []*mail
	seen := map[bool]int{}
	for _, m := range all {
		n := count[m.junk]
		want := (seen[m.junk] + 1) * most / max(n, 1)
		seen[m.junk]++
		if most == 0 || n <= most || want > taken[m.junk] {
			taken[m.junk]++
			some = append(some, m)
		}
	}
	return some
}

// report prints figures of what ask printed: report NAME THRESHOLD FILE
func report(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: report NAME THRESHOLD FILE")
	}
	threshold, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	var rs []result
	var took float64
	for l := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(l), "\t")
		s, _ := strconv.ParseFloat(f[0], 64)
		us, _ := strconv.ParseFloat(f[2], 64)
		rs = append(rs, result{s, f[1] == "true"})
		took += us
	}
	figure(rs, threshold).print(args[0])
	fmt.Printf("%-34s %.1f ms a message\n", args[0], took/1000/float64(max(len(rs), 1)))
	return nil
}

// spamd speaks SpamAssassin's protocol.
type spamd struct{ addr string }

func (s *spamd) do(head string, raw []byte) (string, error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	fmt.Fprintf(c, "%sContent-length: %d\r\n\r\n", head, len(raw))
	if _, err := c.Write(raw); err != nil {
		return "", err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func (s *spamd) score(raw []byte) (float64, error) {
	b, err := s.do("CHECK SPAMC/1.5\r\n", raw)
	if err != nil {
		return 0, err
	}
	_, v, ok := strings.Cut(b, "; ") // "Spam: True ; 12.3 / 5.0"
	v, _, _ = strings.Cut(v, " ")
	if !ok {
		return 0, fmt.Errorf("spamd says %q", b)
	}
	return strconv.ParseFloat(v, 64)
}

func (s *spamd) teach(raw []byte, junk bool) error {
	class := "ham"
	if junk {
		class = "spam"
	}
	b, err := s.do("TELL SPAMC/1.5\r\nMessage-class: "+class+"\r\nSet: local\r\n", raw)
	if err == nil && !strings.Contains(b, "EX_OK") {
		err = fmt.Errorf("spamd says %q", b)
	}
	return err
}

// rspamd speaks HTTP to rspamd's controller, which judges as well.
type rspamd struct{ addr string }

func (r *rspamd) post(path string, raw []byte) ([]byte, error) {
	res, err := http.Post("http://"+r.addr+path, "", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("rspamd says %s: %s", res.Status, b)
	}
	return b, err
}

func (r *rspamd) score(raw []byte) (float64, error) {
	b, err := r.post("/checkv2", raw)
	if err != nil {
		return 0, err
	}
	var v struct{ Score float64 }
	return v.Score, json.Unmarshal(b, &v)
}

func (r *rspamd) teach(raw []byte, junk bool) error {
	path := "/learnham"
	if junk {
		path = "/learnspam"
	}
	_, err := r.post(path, raw)
	if err != nil && (strings.Contains(err.Error(), "already learned") || strings.Contains(err.Error(), "few tokens") || strings.Contains(err.Error(), "208")) {
		return nil
	}
	return err
}
