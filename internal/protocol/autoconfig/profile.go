package autoconfig

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/smallstep/pkcs7"

	"postroad/internal/fault"
)

// profileType is what Apple's programs know a profile by.
const profileType = "application/x-apple-aspen-config"

// profile answers with a configuration profile for an address (Apple's "Configuration Profile Reference", payload com.apple.mail.managed). It holds no
// password: the device asks for it.
func (h *Handler) profile(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("email")
	s, err := h.settings(r, orNobody(address))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	b, err := plist(&s, address)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	write(w, profileType, h.signed(r, b))
}

// signed signs a profile, so that devices show who it is from. Without a key it goes as it is.
func (h *Handler) signed(r *http.Request, b []byte) []byte {
	if h.o.Certificate == nil {
		return b
	}
	c := h.o.Certificate()
	if c == nil {
		return b
	}
	select { // one at a time: it costs more than all else here, and anybody may ask for it
	case h.signing <- struct{}{}:
		defer func() { <-h.signing }()
	case <-r.Context().Done():
		return b // nobody waits for it any more
	}
	out, err := sign(b, c)
	if err != nil {
		h.o.Logger.WarnContext(r.Context(), "a profile can't be signed", "err", err)
		return b
	}
	return out
}

// sign wraps text and signature (RFC 5652), with the certificates that lead to the root.
func sign(b []byte, c *tls.Certificate) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(b)
	if err != nil {
		return nil, err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	var chain []*x509.Certificate
	for _, der := range c.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, one)
	}
	if len(chain) == 0 {
		return nil, fault.New(fault.NotFound, "no certificate")
	}
	if err := signed.AddSigner(chain[0], c.PrivateKey, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	for _, parent := range chain[1:] {
		signed.AddCertificate(parent)
	}
	return signed.Finish()
}

// plist is the profile, in Apple's XML.
func plist(s *Settings, address string) ([]byte, error) {
	in, ok := s.first(IMAP)
	kind := "EmailTypeIMAP"
	if !ok {
		in, ok = s.first(POP3)
		kind = "EmailTypePOP"
	}
	out, sends := s.first(Submission)
	if !ok || !sends {
		return nil, fault.New(fault.NotFound, "there is no service for mail programs")
	}
	id := reversedDomain(s.Domain) + ".mail." + strings.ToLower(uuid("profile", address)[:8]) // a device may have several
	mail := entries{
		{"PayloadType", "com.apple.mail.managed"}, {"PayloadVersion", 1}, {"PayloadIdentifier", id + ".account"}, {"PayloadUUID", uuid("account", address)},
		{"PayloadDisplayName", address},
		{"EmailAccountDescription", s.Name}, {"EmailAccountType", kind}, {"EmailAddress", address},
		{"IncomingMailServerAuthentication", "EmailAuthPassword"}, {"IncomingMailServerHostName", in.Host}, {"IncomingMailServerPortNumber", int(in.Port)},
		{"IncomingMailServerUseSSL", true}, {"IncomingMailServerUsername", address},
		{"OutgoingMailServerAuthentication", "EmailAuthPassword"}, {"OutgoingMailServerHostName", out.Host}, {"OutgoingMailServerPortNumber", int(out.Port)},
		{"OutgoingMailServerUseSSL", true}, {"OutgoingMailServerUsername", address},
		{"OutgoingPasswordSameAsIncomingPassword", true}, {"PreventMove", false}, {"PreventAppSheet", false}, {"SMIMEEnabled", false},
	}
	top := entries{
		{"PayloadType", "Configuration"}, {"PayloadVersion", 1}, {"PayloadIdentifier", id}, {"PayloadUUID", uuid("profile", address)},
		{"PayloadDisplayName", s.Name + ": " + address}, {"PayloadOrganization", s.Name},
		{"PayloadDescription", "Sets up mail for " + address + ". You will be asked for the password."},
		{"PayloadRemovalDisallowed", false}, {"PayloadContent", []entries{mail}},
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n<plist version=\"1.0\">\n")
	top.write(&b)
	b.WriteString("</plist>\n")
	return b.Bytes(), nil
}

// entries are a dictionary of a property list. Values are string, int, bool or lists of dictionaries.
type entries []struct {
	key   string
	value any
}

func (e entries) write(b *bytes.Buffer) {
	b.WriteString("<dict>\n")
	for _, x := range e {
		b.WriteString("<key>" + x.key + "</key>")
		switch v := x.value.(type) {
		case string:
			b.WriteString("<string>")
			xml.EscapeText(b, []byte(v)) //nolint:errcheck // a Buffer takes all
			b.WriteString("</string>\n")
		case int:
			fmt.Fprintf(b, "<integer>%d</integer>\n", v)
		case bool:
			fmt.Fprintf(b, "<%t/>\n", v)
		case []entries:
			b.WriteString("<array>\n")
			for _, one := range v {
				one.write(b)
			}
			b.WriteString("</array>\n")
		}
	}
	b.WriteString("</dict>\n")
}

// uuid is the same for the same address, so that a profile takes the place of an older one.
func uuid(what, address string) string {
	h := sha256.Sum256([]byte("postroad " + what + "\x00" + strings.ToLower(address)))
	h[6], h[8] = h[6]&0x0F|0x80, h[8]&0x3F|0x80 // version 8 (RFC 9562 §5.8)
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}

// reversedDomain names things as Apple does: org.example.
func reversedDomain(domain string) string {
	labels := strings.Split(domain, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".")
}
