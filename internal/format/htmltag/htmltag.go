// Package htmltag finds the ends of HTML's tags and comments, and the attributes in tags, as browsers do, for those who look at tags one by one.
//
// Whoever takes them apart otherwise can be shown another message than people are: a quote that a browser doesn't take for one hides text from
// them, and a title with "href=" in it tells them of a link that isn't there.
package htmltag

import "bytes"

// next takes the first attribute off b, which begins behind a tag's name or behind another attribute, and returns how long that is with what is before
// it. The value is as it is written, without its quotes; nil if there is none. Name is empty at the end of the tag, which is at n: there is a ">" then, or
// nothing. closed is false if a quote is missing. HTML §13.2.5.32 to §13.2.5.40.
func next(b []byte) (name, value []byte, n int, closed bool) {
	i := 0
	for i < len(b) && (blank(b[i]) || b[i] == '/') {
		i++
	}
	if i == len(b) || b[i] == '>' {
		return nil, nil, i, true
	}
	start := i
	for i++; i < len(b) && b[i] > '>' || i < len(b) && !endsName(b[i]); { // even "=" may begin a name
		i++
	}
	name = b[start:i]
	for i < len(b) && blank(b[i]) {
		i++
	}
	if i == len(b) || b[i] != '=' {
		return name, nil, i, true
	}
	for i++; i < len(b) && blank(b[i]); {
		i++
	}
	value, length, closed := valueOf(b[i:])
	return name, value, i + length, closed
}

func endsName(c byte) bool { return blank(c) || c == '/' || c == '=' || c == '>' }

// valueOf is the value that b begins with, and its length with quotes.
func valueOf(b []byte) (value []byte, n int, closed bool) {
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		end := bytes.IndexByte(b[1:], b[0])
		if end < 0 {
			return b[1:], len(b), false
		}
		return b[1 : 1+end], end + 2, true
	}
	for n < len(b) && b[n] != '>' && !blank(b[n]) {
		n++
	}
	return b[:n], n, true
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

// End is where the ">" stands that ends a tag; b begins behind the tag's name. It is len(b) if there is none, and closed is false if that is
// because a quote is missing: browsers show nothing from there on. It takes time in its length.
func End(b []byte) (n int, closed bool) {
	for {
		name, _, length, closed := next(b[n:])
		if n += length; len(name) == 0 || !closed {
			return n, closed
		}
	}
}

// Attr is the value of the first attribute called name, in any case, as it is written but for its quotes; nil if there is none. b is what stands in the
// tag behind its name.
func Attr(b []byte, name string) []byte {
	for {
		called, value, n, _ := next(b)
		if len(called) == 0 {
			return nil
		}
		if len(called) == len(name) && bytes.EqualFold(called, []byte(name)) {
			return value
		}
		b = b[n:]
	}
}

// Name is where a tag's name ends: browsers take all for one up to a blank. The tag is without its "<", and may be one that ends an element.
func Name(tag []byte) int {
	for i, c := range tag {
		if blank(c) || c == '>' || c == '/' && i > 0 {
			return i
		}
	}
	return len(tag)
}

// Comment is how long a comment is; b begins with "<!--". It is len(b) if there is no end. HTML §13.2.5.43 to §13.2.5.51.
func Comment(b []byte) int {
	const start = len("<!--")
	switch rest := b[start:]; {
	case bytes.HasPrefix(rest, []byte(">")):
		return start + 1
	case bytes.HasPrefix(rest, []byte("->")):
		return start + 2
	}
	for at := start; ; at++ {
		i := bytes.Index(b[at:], []byte("--"))
		if i < 0 {
			return len(b)
		}
		at += i
		switch end := b[at+2:]; {
		case bytes.HasPrefix(end, []byte(">")):
			return at + 3
		case bytes.HasPrefix(end, []byte("!>")):
			return at + 4
		}
	}
}

// Bogus is how long something is that begins with "<" and no name, such as "<!x>", and that browsers take for a comment (HTML §13.2.5.41); 0: it
// isn't such.
func Bogus(b []byte) int {
	if len(b) < 2 || b[1] != '!' && b[1] != '?' && (b[1] != '/' || len(b) < 3 || letter(b[2])) {
		return 0
	}
	if end := bytes.IndexByte(b, '>'); end >= 0 {
		return end + 1
	}
	return len(b)
}

func letter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

// Raw is how long the content of an element is that ends nowhere but at its own end, as a script's; b begins behind its tag.
func Raw(b, name []byte) int {
	for at := 0; at < len(b); {
		i := bytes.Index(b[at:], []byte("</"))
		if i < 0 {
			return len(b)
		}
		at += i
		if rest := b[at+2:]; len(rest) >= len(name) && bytes.EqualFold(rest[:len(name)], name) && (len(rest) == len(name) || endsName(rest[len(name)]) && rest[len(name)] != '=') {
			return at
		}
		at += 2
	}
	return len(b)
}
