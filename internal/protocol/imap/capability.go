package imap

import (
	"context"
	"strconv"
)

// capabilities are announced in every state, one line each.
var capabilities = []string{
	"IMAP4rev2", "IMAP4rev1",
	"SASL-IR",  // RFC 4959
	"LITERAL+", // RFC 7888
	"ID",       // RFC 2971
	"ENABLE",   // RFC 5161
	"LANGUAGE", // RFC 5255
}

// mailCapabilities are announced once the client has logged in, one line each.
var mailCapabilities = []string{
	"IDLE",        // RFC 2177
	"NAMESPACE",   // RFC 2342
	"UIDPLUS",     // RFC 4315
	"MOVE",        // RFC 6851
	"UNSELECT",    // RFC 3691
	"CHILDREN",    // RFC 3348
	"SPECIAL-USE", // RFC 6154
	"CREATE-SPECIAL-USE",
	"LIST-EXTENDED",  // RFC 5258
	"LIST-STATUS",    // RFC 5819
	"STATUS=SIZE",    // RFC 8438
	"ESEARCH",        // RFC 4731
	"SEARCHRES",      // RFC 5182
	"UTF8=ACCEPT",    // RFC 6855
	"BINARY",         // RFC 3516
	"MULTIAPPEND",    // RFC 3502
	"UNAUTHENTICATE", // RFC 8437
	"REPLACE",        // RFC 8508
	"PARTIAL",        // RFC 9394
	"SORT",           // RFC 5256
	"SORT=DISPLAY",   // RFC 5957
	"ESORT",          // RFC 5267
	"CONTEXT=SEARCH",
	"CONTEXT=SORT",
	"THREAD=ORDEREDSUBJECT", // RFC 5256
	"THREAD=REFERENCES",
	"THREAD=REFS",    // draft-ietf-morg-inthread
	"SEARCH=FUZZY",   // RFC 6203
	"MULTISEARCH",    // RFC 7377
	"INPROGRESS",     // RFC 9585
	"UIDBATCHES",     // RFC 10022
	"NOTIFY",         // RFC 5465
	"METADATA",       // RFC 5464
	"LIST-METADATA",  // RFC 9590
	"FILTERS",        // RFC 5466
	"I18NLEVEL=2",    // RFC 5255
	"CATENATE",       // RFC 4469
	"URLAUTH",        // RFC 4467
	"URLAUTH=BINARY", // RFC 5524
	"CONDSTORE",      // RFC 7162
	"QRESYNC",        // RFC 7162 §3.2
	"UIDONLY",        // RFC 9586
	"WITHIN",         // RFC 5032
	"SAVEDATE",       // RFC 8514
	"OBJECTID",       // RFC 8474
	"PREVIEW",        // RFC 8970
	"QUOTA",          // RFC 9208
	"QUOTA=RES-STORAGE",
	"QUOTA=RES-MESSAGE",
}

// appendCapabilities writes what can be done now: " IMAP4rev2 IMAP4rev1 ...".
func (s *session) appendCapabilities(dst []byte) []byte {
	for _, c := range capabilities {
		dst = append(append(dst, ' '), c...)
	}
	if s.mail != nil {
		for _, c := range mailCapabilities {
			dst = append(append(dst, ' '), c...)
		}
		if s.maySetQuotas(context.Background()) {
			dst = append(dst, " QUOTASET"...) // RFC 9208 §4.1.3
		}
		if s.srv.events != nil {
			dst = append(append(dst, " IMAPSIEVE="...), s.srv.events.Server()...) // RFC 6785 §2.1
		}
		if s.srv.principals != nil {
			dst = append(dst, " ACL RIGHTS=kxte LIST-MYRIGHTS"...) // RFC 4314, RFC 8440
		}
		if s.deflated == nil {
			dst = append(dst, " COMPRESS=DEFLATE"...) // RFC 4978
		}
		if n := s.lim.Messages; n > 0 { // RFC 9738 §3: one or the other
			dst = strconv.AppendInt(append(dst, " MESSAGELIMIT="...), int64(n), 10)
		} else {
			dst = strconv.AppendInt(append(dst, " SAVELIMIT="...), saveLimit, 10)
		}
		return strconv.AppendInt(append(dst, " APPENDLIMIT="...), s.lim.Message, 10) // RFC 7889
	}
	if s.mayStartTLS() {
		dst = append(dst, " STARTTLS"...)
	}
	if !s.plainAllowed() {
		dst = append(dst, " LOGINDISABLED"...) // RFC 9051 §6.2.3
	}
	for _, m := range s.srv.auth.Mechanisms(s.client()) {
		dst = append(append(dst, " AUTH="...), m...)
	}
	return dst
}

// capability: RFC 9051 §6.1.1.
func (s *session) capability(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	b := append(s.out.buf(), "* CAPABILITY"...)
	s.out.set(append(s.appendCapabilities(b), crlf...))
	return reply{text: "that is what this server can do"}, nil
}

// capabilityCode is the response code that tells the capabilities in passing.
func (s *session) capabilityCode() string {
	return string(s.appendCapabilities([]byte("CAPABILITY")))
}
