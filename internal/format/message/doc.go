// Package message says what the bytes of a mail mean: RFC 5322 and MIME, as they are sent and not only as they are
// specified.
//
// A Parser takes a message in portions and yields a Structure: the tree of parts with the offset of every header and
// body, and the fields that describe them. It makes one pass, keeps what describes the message but never its bodies, and
// does not fail: whatever arrives has a structure. Offsets point into the bytes as they were written to the parser.
//
// Beside it stand the parsers of single fields (addresses, dates, encoded words, message identifiers, parameters, base
// subjects), the readers that decode bodies, Text and Preview for searching and listing, and Compose, which writes messages.
//
// Implements RFC 5322 with its obsolete syntax (section 4), RFC 2045, 2046, 2047, 2183, 2231, 3282, 6532, and of RFC 5256
// section 2.1. Signatures and encryption are none of its business.
package message
