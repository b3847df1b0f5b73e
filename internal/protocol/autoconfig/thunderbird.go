package autoconfig

import (
	"encoding/xml"
	"net/http"
	"net/url"

	"postroad/internal/fault"
)

// The file, in the order of draft-ietf-mailmaint-autoconfig "XML configuration file example".
type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
	OAuth2   *oauth2File   `xml:"oAuth2"`
}

// oauth2File is told in the words of section "OAuth2 requirements". It has no client's ID: programs register themselves (RFC 7591).
type oauth2File struct {
	AuthURL  string `xml:"authURL"`
	TokenURL string `xml:"tokenURL"`
	Issuer   string `xml:"issuer"` // a host, as in the example
	Scope    string `xml:"scope"`
}

type emailProvider struct {
	ID            string        `xml:"id,attr"`
	Domain        string        `xml:"domain"`
	Name          string        `xml:"displayName"`
	ShortName     string        `xml:"displayShortName"`
	Incoming      []mailServer  `xml:"incomingServer"`
	Outgoing      []mailServer  `xml:"outgoingServer"`
	Documentation documentation `xml:"documentation"`
}

type mailServer struct {
	Type           string   `xml:"type,attr"`
	Hostname       string   `xml:"hostname"`
	Port           uint16   `xml:"port"`
	SocketType     string   `xml:"socketType"`
	Authentication []string `xml:"authentication"` // the preferred first: programs take the first that they can
	Username       string   `xml:"username"`
}

type documentation struct {
	URL   string      `xml:"url,attr"`
	Descr description `xml:"descr"`
}

type description struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

// thunderbird answers with the file. The address, if one is given, only says which domain is meant ("Customizing the
// configuration for a specific user": existing and other addresses get the same).
func (h *Handler) thunderbird(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("emailaddress")
	if address == "%EMAILADDRESS%" { // a program that asks for the file as it is, to fill it in
		address = ""
	}
	s, err := h.settings(r, address)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if len(s.Services) == 0 { // a file without servers would be no valid one
		h.refuse(w, r, fault.New(fault.NotFound, "there is no service for mail programs"))
		return
	}
	b, err := xml.MarshalIndent(h.clientConfig(&s), "", "  ")
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	write(w, "text/xml; charset=utf-8", append([]byte(xml.Header), append(b, '\n')...))
}

func (h *Handler) clientConfig(s *Settings) clientConfig {
	p := emailProvider{ID: s.Domain, Domain: s.Domain, Name: s.Name, ShortName: short(s.Name),
		Documentation: documentation{h.o.Base + SetupPath + "?" + url.Values{"domain": {s.Domain}}.Encode(), description{"en", "How to set up a mail program"}}}
	methods := []string{"password-cleartext"} // protected by TLS, which is demanded
	if s.OAuth2 != nil {
		methods = append([]string{"OAuth2"}, methods...)
	}
	for _, x := range s.Services {
		m := mailServer{Type: string(x.Protocol), Hostname: x.Host, Port: x.Port, SocketType: "STARTTLS", Authentication: methods, Username: "%EMAILADDRESS%"}
		if x.Implicit {
			m.SocketType = "SSL"
		}
		if x.Protocol == Submission {
			p.Outgoing = append(p.Outgoing, m)
		} else {
			p.Incoming = append(p.Incoming, m)
		}
	}
	return clientConfig{Version: "1.1", Provider: p, OAuth2: s.OAuth2.file()}
}

func (o *OAuth2) file() *oauth2File {
	if o == nil {
		return nil
	}
	f := oauth2File{AuthURL: o.Authorize, TokenURL: o.Token, Issuer: o.Issuer, Scope: o.Scope}
	if u, err := url.Parse(o.Issuer); err == nil && u.Host != "" {
		f.Issuer = u.Host
	}
	return &f
}

// short is a name as it fits below an icon.
func short(name string) string {
	const most = 20
	r := []rune(name)
	return string(r[:min(len(r), most)])
}
