package autoconfig

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"postroad/internal/fault"
)

// Name spaces of Autodiscover. The mobilesync ones are [MS-ASCMD]'s.
const (
	nsResponse       = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	nsOutlook        = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	nsMobile         = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
	maxRequest       = 64 << 10
	autodiscoverType = "text/xml; charset=utf-8"
)

// Error codes ([MS-OXDSCLI] section 2.2.4.1.1.3.2).
const (
	codeNotFound    = 500 // the address is in no domain of ours
	codeInvalid     = 600
	codeUnsupported = 601 // nothing of the kind that was asked for
	codeInternal    = 603
)

// poxRequest is what a program asks ([MS-OXDSCLI] section 2.2.3). Name spaces aren't compared: programs get them wrong.
type poxRequest struct {
	Request struct {
		Address string `xml:"EMailAddress"`
		Schema  string `xml:"AcceptableResponseSchema"`
	} `xml:"Request"`
}

// pox answers at POXPath ([MS-OXDSCLI] section 3.2.5). Over plain HTTP programs only ask where to go ([MS-OXDISCO] section 3.1.5.4).
func (h *Handler) pox(w http.ResponseWriter, r *http.Request) {
	if !h.o.Secure(r) {
		http.Redirect(w, r, h.o.Base+POXPath, http.StatusFound)
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.discover(w, r)
	case http.MethodGet, http.MethodHead: // people, and programs that look whether somebody is there
		writeError(w, nsOutlook, codeInvalid, "Invalid Request")
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	}
}

func (h *Handler) discover(w http.ResponseWriter, r *http.Request) {
	var q poxRequest
	d := xml.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.CharsetReader = asUTF8
	if err := d.Decode(&q); err != nil || q.Request.Address == "" {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			http.Error(w, "The request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		writeError(w, nsOutlook, codeInvalid, "Invalid Request")
		return
	}
	address, schema := strings.TrimSpace(q.Request.Address), strings.TrimSpace(q.Request.Schema)
	s, err := h.settings(r, address)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		writeError(w, schemaOr(schema), codeNotFound, "The email address cannot be found")
	case err != nil:
		h.o.Logger.ErrorContext(r.Context(), "cannot tell a program its settings", "err", err)
		writeError(w, schemaOr(schema), codeInternal, "Not now")
	case schema == nsMobile:
		h.mobile(w, &s, address)
	case schema != "" && schema != nsOutlook:
		writeError(w, nsOutlook, codeUnsupported, "Provider is not available")
	default:
		writeXML(w, outlookResponse(&s, address))
	}
}

// asUTF8 takes texts that say they are UTF-8 in other words, or ASCII; addresses have nothing else.
func asUTF8(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	}
	return nil, fault.New(fault.Unsupported, "charset %.40q", charset)
}

func schemaOr(schema string) string {
	if schema == nsMobile {
		return nsMobile
	}
	return nsOutlook
}

// autodiscover is an answer; one of its parts is set.
type autodiscover struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response response
}

type response struct {
	Space   string        `xml:"xmlns,attr"`
	Culture string        `xml:"Culture,omitempty"`
	User    *user         `xml:"User,omitempty"`
	Account *account      `xml:"Account,omitempty"`
	Action  *mobileAction `xml:"Action,omitempty"`
	Error   *poxError     `xml:"Error,omitempty"`
}

type user struct {
	DisplayName string `xml:"DisplayName"`
	Address     string `xml:"EMailAddress,omitempty"`
}

type account struct {
	Type      string        `xml:"AccountType"`
	Action    string        `xml:"Action"`
	Protocols []poxProtocol `xml:"Protocol"`
}

// poxProtocol is a service ([MS-OXDSCLI] section 2.2.4.1.1.2.6 and those below it).
type poxProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           uint16 `xml:"Port"`
	DomainRequired string `xml:"DomainRequired"`
	LoginName      string `xml:"LoginName"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"`
	AuthRequired   string `xml:"AuthRequired"`
	UsePOPAuth     string `xml:"UsePOPAuth,omitempty"`
	SMTPLast       string `xml:"SMTPLast,omitempty"`
}

type poxError struct {
	Code    int    `xml:"ErrorCode"`
	Message string `xml:"Message"`
	Debug   string `xml:"DebugData"`
}

// outlookResponse tells the preferred service of each protocol, IMAP before POP3. The address is told back as it was asked for.
func outlookResponse(s *Settings, address string) response {
	a := account{Type: "email", Action: "settings"}
	for _, p := range []Protocol{IMAP, POP3, Submission} {
		x, ok := s.first(p)
		if !ok {
			continue
		}
		out := poxProtocol{Type: strings.ToUpper(string(p)), Server: x.Host, Port: x.Port, DomainRequired: "off", LoginName: address, SPA: "off", SSL: "on",
			Encryption: "TLS", AuthRequired: "on"}
		if x.Implicit {
			out.Encryption = "SSL"
		}
		if p == Submission {
			out.UsePOPAuth, out.SMTPLast = "on", "off"
		}
		a.Protocols = append(a.Protocols, out)
	}
	return response{Space: nsOutlook, User: &user{DisplayName: address}, Account: &a}
}

// mobileAction leads to ActiveSync ([MS-ASCMD] section 2.2.1.1).
type mobileAction struct {
	Settings struct {
		Server mobileServer `xml:"Server"`
	} `xml:"Settings"`
}

type mobileServer struct {
	Type string `xml:"Type"`
	URL  string `xml:"Url"`
	Name string `xml:"Name"`
}

func (h *Handler) mobile(w http.ResponseWriter, s *Settings, address string) {
	for _, e := range s.Endpoints {
		if e.Name == "ActiveSync" {
			var a mobileAction
			a.Settings.Server = mobileServer{"MobileSync", e.URL, e.URL}
			writeXML(w, response{Space: nsMobile, Culture: "en:us", User: &user{address, address}, Action: &a})
			return
		}
	}
	writeError(w, nsMobile, codeUnsupported, "Provider is not available")
}

func writeError(w http.ResponseWriter, space string, code int, message string) {
	writeXML(w, response{Space: space, Error: &poxError{Code: code, Message: message}})
}

func writeXML(w http.ResponseWriter, r response) {
	b, err := xml.MarshalIndent(autodiscover{Response: r}, "", "  ")
	if err != nil { // these types can be marshalled
		http.Error(w, "Not now", http.StatusInternalServerError)
		return
	}
	write(w, autodiscoverType, append([]byte(xml.Header), append(b, '\n')...))
}
