package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"

	"postroad/internal/fault"
)

// header is what a peer has said. Addresses that it didn't say are invalid.
type header struct {
	source, destination netip.AddrPort
}

// Limits of headers.
const (
	maxV1 = 107  // with CRLF
	maxV2 = 4096 // behind the first 16 bytes; the largest addresses have 216
)

var (
	errIncomplete = errors.New("more to come")

	errBad = fault.New(fault.Invalid, "bad PROXY header")
)

var (
	signatureV1 = []byte("PROXY ")
	signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// parse reads the header at the start of b and tells its length. It gives
// errIncomplete as long as b may be the beginning of one.
func parse(b []byte) (h header, n int, err error) {
	switch {
	case bytes.HasPrefix(b, signatureV2):
		return parseV2(b)
	case bytes.HasPrefix(b, signatureV1):
		return parseV1(b)
	case bytes.HasPrefix(signatureV2, b), bytes.HasPrefix(signatureV1, b):
		return header{}, 0, errIncomplete
	}
	return header{}, 0, errBad
}

// parseV1 reads the line of version 1.
func parseV1(b []byte) (h header, n int, err error) {
	line, _, whole := strings.Cut(string(b[:min(len(b), maxV1)]), "\r\n")
	if !whole {
		if len(b) >= maxV1 {
			return header{}, 0, errBad
		}
		return header{}, 0, errIncomplete
	}
	n = len(line) + len("\r\n")
	words := strings.Split(line, " ")
	if words[1] == "UNKNOWN" {
		return header{}, n, nil // what else the line says is to be ignored
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return header{}, 0, errBad
	}
	six := words[1] == "TCP6"
	source, ok1 := endpoint(words[2], words[4], six)
	destination, ok2 := endpoint(words[3], words[5], six)
	if !ok1 || !ok2 {
		return header{}, 0, errBad
	}
	return header{source, destination}, n, nil
}

// endpoint is an address and a port of version 1.
func endpoint(ip, port string, six bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Is6() != six || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '+' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// Bytes of version 2: commands, and families with protocols.
const (
	local = 0x20 // the proxy speaks for itself, to see whether we live
	proxy = 0x21

	unspecified = 0x00
	tcp4        = 0x11
	tcp6        = 0x21
	unixStream  = 0x31
)

// fixedV2 is the part of a version 2 header that is always there.
const fixedV2 = 16

func parseV2(b []byte) (h header, n int, err error) {
	if len(b) < fixedV2 {
		return header{}, 0, errIncomplete
	}
	length := int(binary.BigEndian.Uint16(b[14:]))
	if length > maxV2 || b[12] != local && b[12] != proxy {
		return header{}, 0, errBad
	}
	n = fixedV2 + length
	if len(b) < n {
		return header{}, 0, errIncomplete
	}
	if b[12] == local {
		return header{}, n, nil // whatever the rest says is to be ignored
	}
	h, size, ok := addresses(b[13], b[fixedV2:n])
	if !ok || !extrasValid(b[:n], fixedV2+size) {
		return header{}, 0, errBad
	}
	return h, n, nil
}

// addresses reads the address block of a family, and tells its size.
func addresses(family byte, b []byte) (h header, size int, ok bool) {
	switch family {
	case unspecified:
		return header{}, len(b), true // no telling where its block ends
	case unixStream:
		return header{}, 216, len(b) >= 216
	case tcp4:
		size = 4
	case tcp6:
		size = 16
	default:
		return header{}, 0, false // datagrams don't come over a stream
	}
	if len(b) < 2*size+4 {
		return header{}, 0, false
	}
	port := b[2*size:]
	return header{
		source:      addrPort(b[:size], port),
		destination: addrPort(b[size:2*size], port[2:]),
	}, 2*size + 4, true
}

func addrPort(ip, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// typeCRC32C is the TLV that has the whole header's checksum.
const typeCRC32C = 0x03

// extrasValid goes through the TLVs of a header, which begin at off: they must fill it, and
// the checksum, if there is one, must be right.
func extrasValid(whole []byte, off int) bool {
	for off < len(whole) {
		if off+3 > len(whole) {
			return false
		}
		kind, size := whole[off], int(binary.BigEndian.Uint16(whole[off+1:]))
		off += 3
		if size > len(whole)-off {
			return false
		}
		if kind == typeCRC32C && !checksumValid(whole, off, size) {
			return false
		}
		off += size
	}
	return true
}

// checksumValid computes the checksum as if its own four bytes were zero.
func checksumValid(whole []byte, off, size int) bool {
	if size != 4 {
		return false
	}
	blank := bytes.Clone(whole)
	clear(blank[off : off+4])
	return crc32.Checksum(blank, crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(whole[off:])
}
