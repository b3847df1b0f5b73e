package features

import (
	"strconv"
	"strings"
)

// Tell is Name in sentences for people who don't know how this package looks at messages, such as "a link to a name below .example" or "the header field
// to comes right after date". As Name's, they have parts of the message in them.
func (x *Extractor) Tell(m *Message, want []uint32) []string { return x.named(m, want, tell) }

// A phrase is what is told of the features of a kind whose text it matches.
type phrase struct {
	kind Kind
	// text ends in "*" if more may follow.
	text string
	// tell has, in the place of what follows, %s for it as it is, %h for a host, %n for how many (of bucket), %t for how many tags, %p for the
	// order of parts.
	tell string
}

// phrases are looked through in this order.
var phrases = [...]phrase{
	{Word, "*", `the word "%s"`},
	{Pair, "*", `the words "%s"`},
	{Gram, "*", `"%s" in the text`},

	{Subject, "(nothing)", "there is no subject"},
	{Subject, "(capitals)", "the subject is in capitals"},
	{Subject, "(gaps)", "the subject has many blanks in a row"},
	{Subject, "(tricks with characters)*", "the subject has characters that are there to deceive"},
	{Subject, "!*", "the subject has exclamation marks"},
	{Subject, "?", "the subject has a question mark"},
	{Subject, "*", `the subject has "%s"`},
	{SubjectPair, "*", `the subject has "%s"`},

	{TextShape, "characters without width*", "the text has characters that can't be seen"},
	{TextShape, "look-alike letters*", "the text has letters that only look like those of the others"},
	{TextShape, "letters in disguise*", "the text has letters in circles, of full width, or such as formulas have"},
	{TextShape, "letters set apart", "the text has single letters, set apart"},
	{TextShape, "very long words", "the text has very long words"},
	{TextShape, "capitals", "the text is in capitals"},
	{TextShape, "*", "much of the text is in %s letters"},

	{Link, "*", "a link to %s"},
	{LinkDomain, "*", "a link to %h"},
	{LinkShape, "scheme *", "a link that begins with %s"},
	{LinkShape, "user name in it", "a link with a name in front of its host"},
	{LinkShape, "port", "a link that names a port"},
	{LinkShape, "path with *", `a link with "%s" in it`},
	{LinkShape, "path 0", "a link to a whole site"},
	{LinkShape, "path *", "a link with %n characters behind its host"},
	{LinkShape, "query *", "a link with %n characters behind a question mark"},
	{LinkShape, "address in query", "a link with an address in it"},
	{LinkShape, "hidden characters", "a link with characters written as numbers"},
	{LinkShape, "file *", "a link to a file %s"},
	{LinkShape, "mailto", "a link to write to somebody"},

	{HTML, "own image", "a picture that came along"},
	{HTML, "image in the text", "a picture within the HTML itself"},
	{HTML, "images, hardly any text", "pictures with hardly any text"},
	{HTML, "images of one pixel*", "pictures too small to be seen"},
	{HTML, "images*", "pictures"},
	{HTML, "tags *", "HTML with %t tags"},
	{HTML, "fonts*", "HTML that chooses fonts"},
	{HTML, "links that name another host*", "links that show another host than they lead to"},
	{HTML, "words cut by comments*", "words cut in two by comments in the HTML"},
	{HTML, "hidden text*", "text that isn't shown"},
	{HTML, "styles", "HTML with styles"},
	{HTML, "*", "HTML with a %s"},

	{Part, "boundary *", `parts are divided by a mark like "%s"`},
	{Part, "parts *", "%n parts"},
	{Part, "no text", "there is no text"},
	{Part, "0*", "it is built as %p"},
	{Part, "*", "a part of type %s"},
	{File, "named like *", `an attached file with a name like "%s"`},
	{File, "named *", `an attached file with "%s" in its name`},
	{File, "*", "an attached file %s"},
	{Charset, "", "no character set is named"},
	{Charset, "*", "the character set %s"},

	{From, "*", "the author is at %h"},
	{Name, "(tricks with characters)*", "the author's name has characters that are there to deceive"},
	{Name, "*", `the author's name has "%s"`},
	{Address, "no author", "no author is named"},
	{Address, "author without a name", "the author has an address, but no name"},
	{Address, "author like *", `the author's address begins like "%s" (a: letters, 0: digits)`},
	{Address, "name is an address yes", "the author's name is the author's address"},
	{Address, "name is an address*", "the author's name is another address than the author's"},
	{Address, "reply to yes", "answers go to the author's domain"},
	{Address, "reply to nearly", "answers go to a host near the author's"},
	{Address, "reply to no", "answers go to another domain than the author's"},
	{Address, "sent by yes", "who sent it is of the author's domain"},
	{Address, "sent by nearly", "who sent it is of a host near the author's"},
	{Address, "sent by no", "who sent it is of another domain than the author"},

	{Field, "*", "the header field %s"},
	{Order, "*", "the order of header fields: %s"},
	{Mailer, "*", `the program that wrote it calls itself "%s"`},
	{Date, "zone *", "the time zone %s"},
	{Date, "*", `a date like "%s" (a: letters, 0: digits)`},
	{ID, "missing", "there is no Message-ID"},
	{ID, "of the author's domain yes", "the Message-ID is of the author's domain"},
	{ID, "of the author's domain nearly", "the Message-ID is of a host near the author's"},
	{ID, "of the author's domain no", "the Message-ID is of another domain than the author's"},
	{ID, "*", `a Message-ID like "%s" (a: letters, 0: digits)`},

	{To, "number 0", "no recipient is named"},
	{To, "number *", "it is to %n recipients"},
	{To, "named", "the recipient has a name beside the address"},
	{To, "the author", "it is to its own author"},
	{To, "a list", "it came through a mailing list"},

	{Auth, "author's domain is proven", "the author's domain is proved"},
	{Auth, "author's domain isn't proven", "nothing proves the author's domain"},
	{Auth, "*", "the check of %s"},
	{Proven, "*", "the author is proved to be at %h"},
	{Network, "*", "it came from the network %s"},
	{Client, "without a name", "who brought it has no name in the DNS"},
	{Client, "like somebody's home", "who brought it has a name as computers at home have"},
	{Client, "an address", "who brought it gave a number for a name"},
	{Client, "not a domain", "who brought it gave a name that isn't a host's"},
	{Client, "its own name yes", "who brought it gave its own name"},
	{Client, "its own name nearly", "who brought it gave a name near its own"},
	{Client, "its own name no", "who brought it gave another name than its own"},
	{Client, "*", "who brought it calls itself %s"},
	{Envelope, "the author's domain yes", "bounces go to the author's domain"},
	{Envelope, "the author's domain nearly", "bounces go to a host near the author's"},
	{Envelope, "the author's domain no", "bounces go to another domain than the author's"},
	{Envelope, "*", "bounces go to %h"},
	{Trace, "author's domain yes", "a server on the way was of the author's domain"},
	{Trace, "author's domain no", "no server on the way was of the author's domain"},
	{Trace, "message ID's domain yes", "a server on the way was of the Message-ID's domain"},
	{Trace, "message ID's domain no", "no server on the way was of the Message-ID's domain"},
	{Trace, "*", "on the way, who called itself %s"},
	{Match, "links to the author alone", "links to the author's domain alone"},
	{Match, "links to the author and others", "links to the author's domain and others"},
	{Match, "links to others", "no link to the author's domain"},
	{Match, "*", `a program with a Message-ID like "%s" (a: letters, 0: digits)`},
	{Sign, "*", "a sign of phishing: %s"},
}

// tell says what a feature is about.
func tell(k Kind, a, b string) string {
	switch {
	case k == Order:
		return "the header field " + b + " comes right after " + a
	case k == Field:
		if name, value, ok := strings.Cut(a, ":"); ok {
			return "the header field " + name + " says " + value
		}
	}
	if b != "" {
		a += " " + b
	}
	for _, p := range phrases {
		if p.kind != k {
			continue
		}
		rest, ok := "", a == p.text
		if start, open := strings.CutSuffix(p.text, "*"); open {
			rest, ok = strings.CutPrefix(a, start)
		}
		if ok {
			return p.with(a, rest)
		}
	}
	return k.String() + ": " + a
}

// with is what is told, of a feature's text, and what of it follows on the phrase's.
func (p *phrase) with(text, rest string) string {
	at := strings.IndexByte(p.tell, '%')
	if at < 0 {
		return p.tell
	}
	switch p.tell[at+1] {
	case 'h':
		rest = hostTold(rest)
	case 'n':
		rest = aboutMany(rest, 1)
	case 't':
		rest = aboutMany(rest, 2)
	case 'p':
		rest = order(text)
	}
	return p.tell[:at] + rest + p.tell[at+2:]
}

// hostTold says what extraction.host has seen of a host.
func hostTold(s string) string {
	switch {
	case s == "an address":
		return "a number in place of a name"
	case s == "international":
		return "a name in another script"
	case strings.HasPrefix(s, "labels "):
		return "a name of " + s[len("labels "):] + " parts or more"
	case strings.HasPrefix(s, "."):
		return "a name below " + s
	}
	return s
}

// aboutMany says how many a bucket stands for, or, for per 2, two of them together.
func aboutMany(s string, per int) string {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 30 {
		return s
	}
	low, high := 1<<max(0, per*n-1), 1<<(per*n+per-1)-1
	if n == 0 {
		low = 0
	}
	if low == high {
		return strconv.Itoa(low)
	}
	return strconv.Itoa(low) + " to " + strconv.Itoa(high)
}

// order says how parts are put together: "0multipart/mixed1text/plain1image/png" is "multipart/mixed (text/plain, image/png)".
func order(s string) string {
	var b strings.Builder
	depth := byte('0')
	for i := 0; i < len(s); {
		end := i + 1
		for end < len(s) && (s[end] < '0' || s[end] > '9') {
			end++
		}
		switch d := s[i]; {
		case i == 0:
		case d > depth:
			b.WriteString(" (")
		default:
			b.WriteString(strings.Repeat(")", int(depth-d)) + ", ")
		}
		depth = s[i]
		b.WriteString(s[i+1 : end])
		i = end
	}
	return b.String() + strings.Repeat(")", int(depth-'0'))
}
