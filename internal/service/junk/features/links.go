package features

import "bytes"

// maxLinks is how many links are looked at.
const maxLinks = 100

// endsHost has what can't be part of a link's host.
var endsHost = func() (t [256]bool) {
	for _, c := range []byte("/?#\\ \t\r\n\"'<>") {
		t[c] = true
	}
	return t
}()

// link adds what a link tells. url is as it is written, "https://..." or "//...": others lead nowhere.
func (x *extraction) link(url []byte) {
	scheme, rest, ok := bytes.Cut(url, []byte("//"))
	if !ok || x.links >= maxLinks {
		return
	}
	x.links++
	end := 0
	for end < len(rest) && !endsHost[rest[end]] {
		end++
	}
	host, path := rest[:end], rest[end:]
	if len(scheme) > 12 || x.below && x.ofTheList(host) {
		return
	}
	if start := url[:len(url)-len(path)]; !bytes.Equal(start, x.last) { // most messages have many links to the same host
		x.last = append(x.last[:0], start...)
		x.server(scheme, host)
	}
	x.path(path)
}

// server adds what a link tells before its path.
func (x *extraction) server(scheme, host []byte) {
	x.add2String(LinkShape, "scheme", x.lower(scheme))
	if at := bytes.LastIndexByte(host, '@'); at >= 0 {
		x.addString(LinkShape, "user name in it")
		host = host[at+1:]
	}
	if colon := bytes.LastIndexByte(host, ':'); colon >= 0 {
		x.addString(LinkShape, "port")
		host = host[:colon]
	}
	host = x.lower(host)
	if bytes.Equal(domainIn(host), x.domain) {
		x.mine++
	} else {
		x.others++
	}
	x.host(Link, LinkDomain, host)
}

// host adds a host name, its domain and its top-level domain.
func (x *extraction) host(whole, part Kind, host []byte) {
	host = bytes.Trim(host, ".")
	if len(host) == 0 || len(host) > 255 {
		return
	}
	if numeric(host) {
		x.add2String(part, "an address", nil)
		x.add(whole, host)
		return
	}
	if bytes.Contains(host, []byte("xn--")) {
		x.addString(part, "international")
	}
	x.add(whole, host)
	d := domainIn(host)
	x.add(part, d)
	if dot := bytes.LastIndexByte(host, '.'); dot >= 0 {
		x.add(part, host[dot:])
	}
	if n := bytes.Count(host, []byte(".")); n > 3 {
		x.shape(part, "labels", min(n, 6))
	}
}

// domainIn is about the registered domain of a host name: its last two labels, or three where the second is a short one below
// a country. It needs no list that grows old, and a mistake costs nothing.
func domainIn(host []byte) []byte {
	last := bytes.LastIndexByte(host, '.')
	if last < 0 {
		return host
	}
	second := bytes.LastIndexByte(host[:last], '.')
	if second < 0 {
		return host
	}
	if len(host)-last-1 == 2 && last-second-1 <= 3 {
		if third := bytes.LastIndexByte(host[:second], '.'); third >= 0 {
			return host[third+1:]
		}
		return host
	}
	return host[second+1:]
}

func numeric(host []byte) bool {
	for _, c := range host {
		if (c < '0' || c > '9') && c != '.' && c != 'x' && c != '[' && c != ']' && c != ':' {
			return false
		}
	}
	return true
}

// path adds how a link's path is made.
func (x *extraction) path(p []byte) {
	x.shape(LinkShape, "path", bucket(len(p)))
	p, query, ok := bytes.Cut(p, []byte("?"))
	if ok {
		x.shape(LinkShape, "query", bucket(len(query)))
		if bytes.IndexByte(query, '@') >= 0 || bytes.Contains(query, []byte("%40")) {
			x.addString(LinkShape, "address in query")
		}
	}
	if bytes.Count(p, []byte("%")) > 3 {
		x.addString(LinkShape, "hidden characters")
	}
	if dot := bytes.LastIndexByte(p, '.'); dot >= 0 && len(p)-dot <= 6 {
		x.add2String(LinkShape, "file", x.lower(p[dot:]))
	}
	for i, c := range p {
		switch c {
		case 'u', 'c', 't', 'l', 'v', 'w', 'r':
			for _, seg := range segments {
				if c == seg[0] && bytes.HasPrefix(p[i:], seg) {
					x.add2String(LinkShape, "path with", seg)
				}
			}
		}
	}
}

// segments are what is remarkable in a path.
var segments = [...][]byte{
	[]byte("unsubscribe"), []byte("click"), []byte("track"), []byte("login"), []byte("verify"), []byte("wp-content"), []byte("wp-includes"), []byte("remove"),
}

// linksIn finds the links in plain text.
func (x *extraction) linksIn(text []byte) {
	for x.links < maxLinks {
		i := bytes.Index(text, []byte("://"))
		if i < 0 {
			break
		}
		start := i
		for start > 0 && i-start < 8 && lower(text[start-1]) >= 'a' && lower(text[start-1]) <= 'z' {
			start--
		}
		end := i + 3
		for end < len(text) && text[end] > ' ' && text[end] != '>' && text[end] != '"' && text[end] != '<' && text[end] != ')' {
			end++
		}
		x.link(text[start:end])
		text = text[end:]
	}
}
