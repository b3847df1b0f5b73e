// Package dkim verifies and makes DKIM signatures (RFC 6376, as changed by RFC 8301, 8463 and 8616), and has
// the parts of them that ARC shares (package arc): canonical forms, tag lists, keys.
//
// Messages come in as they arrive, in any portions, and are read once for all signatures:
//
//	v := dkim.NewVerifier(dkim.Options{Resolver: r})
//	io.Copy(v, message)
//	for _, result := range v.Results(ctx) { ... }
//
//	s := dkim.NewSigner(dkim.SignOptions{Keys: keys})
//	io.Copy(s, message)
//	fields, err := s.Fields() // to be put before the message
//
// Lines end with CRLF; a bare CR or LF is an octet like any other. The header is kept in memory, up to
// MaxHeader; of the body only digests are.
//
// Not done: rsa-sha1 and RSA keys under 1024 bits never pass (RFC 8301), the g tag of old keys means nothing (RFC 6376
// §C.2), there are no third-party policies (ADSP is historic).
package dkim
