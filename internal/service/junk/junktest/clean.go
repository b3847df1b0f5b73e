package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// clean copies messages from directories into corpora: clean [-from YEAR] [-max N] TO/junk|TO/good FROM...
func clean(args []string) error {
	set := flag.NewFlagSet("clean", flag.ContinueOnError)
	from := set.Int("from", 0, "leave out what is older than this year")
	most := set.Int("max", 0, "take so many at most")
	wipe := set.String("wipe", "", "words that stand for whoever got the mail, with commas")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() < 2 {
		return fmt.Errorf("usage: clean [-from YEAR] [-max N] [-wipe WORDS] TO FROM [FROM]")
	}
	c := &cleaner{to: set.Arg(0), from: *from, most: *most, seen: map[[32]byte]bool{}}
	for w := range strings.SplitSeq(*wipe, ",") {
		if w != "" {
			c.wipe = append(c.wipe, regexp.MustCompile(`(?i)`+regexp.QuoteMeta(w)))
		}
	}
	if err := os.MkdirAll(c.to, 0o755); err != nil {
		return err
	}
	for _, dir := range set.Args()[1:] {
		if err := c.dir(dir); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d taken, %d twice, %d too old or no mail\n", c.to, c.taken, c.twice, c.old)
	return nil
}

type cleaner struct {
	to                string
	from, most        int
	wipe              []*regexp.Regexp
	seen              map[[32]byte]bool
	taken, twice, old int
}

func (c *cleaner) dir(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for i, f := range files {
		if c.most > 0 && len(files) > c.most && i*c.most/len(files) == (i-1)*c.most/len(files) && i > 0 {
			continue // evenly
		}
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		if err := c.message(raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *cleaner) message(raw []byte) error {
	raw = neutral(raw)
	for _, w := range c.wipe {
		raw = w.ReplaceAll(raw, []byte("user"))
	}
	when := timeOf(raw)
	_, body, ok := bytes.Cut(raw, []byte("\n\n"))
	sum := sha256.Sum256(bytes.TrimSpace(body))
	switch {
	case !ok, when.Year() < max(c.from, 1990), when.Year() > 2026:
		c.old++
		return nil
	case c.seen[sum]:
		c.twice++
		return nil
	}
	c.seen[sum] = true
	c.taken++
	name := fmt.Sprintf("%s-%x.eml", when.UTC().Format("20060102T150405"), sum[:6])
	return os.WriteFile(filepath.Join(c.to, name), raw, 0o644)
}

// collectors are fields that were added by who collected the mail, or by filters on its way: all contestants do without.
var collectors = regexp.MustCompile(`(?i)^(x-spam|x-account-key|x-mozilla|x-uid|x-ms-|x-microsoft|x-forefront|x-eop|x-incoming|x-exchange|x-bogosity|` +
	`x-rspam|x-amavis|x-virus|x-scanned|x-originalarrival|x-message-(info|delivery|status)|x-sid-|cmm-|spamdiagnostic|status:|x-status|x-keywords|` +
	`x-pyzor|x-dspam|x-barracuda|x-gm-|x-google-smtp|x-folder|x-filename|delivery-date|x-original-to|x-evolution|x-mimedefang|content-length|lines:|` +
	`x-crm114|x-sa-|x-hmailserver|x-proofpoint|x-ironport|arc-|x-forwarded-encrypted|x-antiabuse|x-dcc)`)

// neutral takes out of a message what says where it was found: the mbox line and collectors' fields. Lines end with LF.
func neutral(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	header, body, _ := bytes.Cut(raw, []byte("\n\n"))
	var out bytes.Buffer
	skip := false
	for line := range bytes.Lines(append(header[:len(header):len(header)], '\n')) {
		if line[0] != ' ' && line[0] != '\t' {
			skip = collectors.Match(line)
		}
		if !skip {
			out.Write(line)
		}
	}
	out.WriteByte('\n')
	out.Write(body)
	return out.Bytes()
}
