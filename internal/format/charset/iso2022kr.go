package charset

import (
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/transform"
)

// newISO2022KR decodes RFC 1557: between SO and SI, pairs of 7-bit octets are KS X 1001, which with the high bits set
// is EUC-KR.
func newISO2022KR() transform.Transformer {
	return transform.Chain(&shiftKR{}, korean.EUCKR.NewDecoder())
}

const (
	shiftOut = 0x0e
	shiftIn  = 0x0f
)

// shiftKR turns ISO-2022-KR into EUC-KR.
type shiftKR struct{ out bool }

// Reset implements transform.Transformer.
func (s *shiftKR) Reset() { s.out = false }

// Transform implements transform.Transformer.
func (s *shiftKR) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		c := src[nSrc]
		switch {
		case c == shiftOut || c == shiftIn:
			s.out = c == shiftOut
			nSrc++
			continue
		case c == 0x1b: // ESC $ ) C, the announcement at the text's start
			if !atEOF && len(src)-nSrc < 4 {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if len(src)-nSrc >= 4 && string(src[nSrc:nSrc+4]) == "\x1b$)C" {
				nSrc += 4
				continue
			}
		case c == '\n': // RFC 1557 section 2: each line begins in ASCII
			s.out = false
		}
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if s.out && c > ' ' {
			c |= 0x80
		}
		dst[nDst] = c
		nDst, nSrc = nDst+1, nSrc+1
	}
	return nDst, nSrc, nil
}
