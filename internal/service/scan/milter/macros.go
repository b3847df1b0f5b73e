package milter

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postroad/internal/service/scan"
)

// usual are the macros that are told with a step, unless the filter wants others (SMFIR_SETSYMLIST): those of Sendmail's and Postfix's default
// settings together.
var usual = map[byte][]string{
	cmdConnect: {"j", "_", "{daemon_name}", "{daemon_addr}", "{daemon_port}", "{if_addr}", "v", "{client_addr}", "{client_name}", "{client_port}", "{client_ptr}", "{client_resolve}"},
	cmdHelo:    {"{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}"},
	cmdMail:    {"i", "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}", "{mail_mailer}"},
	cmdRcpt:    {"{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"},
	cmdData:    {"i"},
	cmdEOH:     {"i"},
	cmdEnd:     {"i"},
}

// symbolSteps are the steps by their numbers in SMFIR_SETSYMLIST (SMFIM_*).
var symbolSteps = [...]byte{cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdEnd, cmdEOH}

// maxSymbols bounds the macros that a filter wants with one step.
const maxSymbols = 100

// wants reads the macros that a filter wants: a number, the names with spaces between them, NUL; and again.
func (t *talk) wants(b []byte) error {
	for len(b) > 0 {
		if len(b) < 5 {
			return errNoMilter()
		}
		n := binary.BigEndian.Uint32(b)
		names, rest, ok := strings.Cut(string(b[4:]), "\x00")
		if !ok {
			return errNoMilter()
		}
		b = b[len(b)-len(rest):]
		if n >= uint32(len(symbolSteps)) {
			continue // a step that we don't know
		}
		if t.wanted == nil {
			t.wanted = map[byte][]string{}
		}
		all := strings.FieldsFunc(names, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
		t.wanted[symbolSteps[n]] = all[:min(len(all), maxSymbols)]
	}
	return nil
}

// macros tells a step's macros. Those without a value aren't told.
func (t *talk) macros(step byte, m *scan.Message, to int) {
	names, ok := t.wanted[step]
	if !ok {
		names = usual[step]
	}
	b := []byte{step}
	for _, name := range names {
		if v := t.macro(name, m, to); v != "" {
			b = append(append(b, cstring(name)...), cstring(v)...)
		}
	}
	t.put(cmdMacro, b)
}

// macro is the value of a macro, whose name has braces if it is longer than a letter; "": there is none. to is the recipient in question; -1: none is.
func (t *talk) macro(name string, m *scan.Message, to int) string {
	if len(name) == 3 && name[0] == '{' {
		name = name[1:2]
	}
	switch name {
	case "j":
		return m.Hostname
	case "i":
		return m.ID
	case "v":
		return "Postroad"
	case "b":
		return t.now().Format(time.RFC1123Z)
	case "r":
		return m.Protocol
	case "s":
		return m.Helo
	case "f", "{mail_addr}":
		return m.From
	case "{mail_host}":
		return hostOf(m.From)
	case "{mail_mailer}", "{rcpt_mailer}":
		if name == "{rcpt_mailer}" && to >= 0 && to < len(m.Locals) && m.Locals[to] {
			return "local"
		}
		return "smtp"
	}
	if to >= 0 && to < len(m.To) {
		switch name {
		case "{rcpt_addr}":
			return m.To[to]
		case "{rcpt_host}":
			return hostOf(m.To[to])
		}
	}
	if v, ok := sessionMacro(name, m); ok {
		return v
	}
	return clientMacro(name, m)
}

// sessionMacro is a macro about how the client has connected and signed in.
func sessionMacro(name string, m *scan.Message) (string, bool) {
	switch name {
	case "{daemon_name}":
		return daemonName(m), true
	case "{daemon_addr}", "{if_addr}":
		return literal(m.Local.Addr()), true
	case "{daemon_port}":
		return port(m.Local.Port()), true
	case "{tls_version}":
		return m.TLSVersion, true
	case "{cipher}":
		return m.Cipher, true
	case "{cipher_bits}":
		return cipherBits(m.Cipher), true
	case "{auth_authen}":
		return m.Login, true
	case "{auth_author}":
		return m.Author, true
	case "{auth_type}":
		if m.Login != "" && m.Mechanism == "" {
			return "SASL", true
		}
		return m.Mechanism, true
	case "{cert_subject}", "{cert_issuer}":
		if m.Certificate == nil {
			return "", true
		}
		if name == "{cert_subject}" {
			return m.Certificate.Subject.String(), true
		}
		return m.Certificate.Issuer.String(), true
	}
	return "", false
}

// clientMacro is a macro about who the client is, for which the DNS may have to be waited for.
func clientMacro(name string, m *scan.Message) string {
	switch name {
	case "_":
		return clientName(m) + " [" + literal(m.Client) + "]"
	case "{client_addr}":
		return literal(m.Client)
	case "{client_port}":
		return port(m.Port)
	case "{client_name}":
		return clientName(m)
	case "{client_ptr}":
		if n := m.Name(); n != "" {
			return n
		}
		return "unknown"
	case "{client_resolve}":
		if m.Name() != "" {
			return "OK"
		}
		return "FAIL"
	}
	return ""
}

// clientName is the client's name in the DNS, or, as Sendmail says it, its address in brackets.
func clientName(m *scan.Message) string {
	if n := m.Name(); n != "" {
		return n
	}
	if a := literal(m.Client); a != "" {
		return "[" + a + "]"
	}
	return "localhost"
}

// daemonName is what Sendmail calls its listeners.
func daemonName(m *scan.Message) string {
	switch m.Listener {
	case "submission":
		return "MSA"
	case "", "smtp":
		return "MTA"
	}
	return strings.ToUpper(m.Listener)
}

// literal is an address as filters know it; "": there is none.
func literal(a netip.Addr) string {
	if a = a.Unmap().WithZone(""); a.IsValid() {
		return a.String()
	}
	return ""
}

func port(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// cipherBits is the size of a cipher's key by its name; "": there is none.
func cipherBits(name string) string {
	for part, bits := range map[string]string{"_AES_128_": "128", "_AES_256_": "256", "_CHACHA20_": "256", "_3DES_": "168", "_RC4_128_": "128"} {
		if strings.Contains(name, part) {
			return bits
		}
	}
	return ""
}

func hostOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
