package autoconfig

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"rsc.io/qr"

	"postroad/internal/fault"
)

// setup is what the page shows.
type setup struct {
	Name, Domain, Address, Problem string
	Services                       []row
	Profile                        string       // the profile's address; "" without an address
	Code                           template.URL // the same as a picture
}

// row is a line of the table.
type row struct {
	What, Host string
	Port       uint16
	Security   string
}

var pageTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Set up mail{{with .Name}} at {{.}}{{end}}</title>
<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}table{border-collapse:collapse}td,th{padding:.2em 1em .2em 0;text-align:left}
input{font:inherit;padding:.3em;width:18em;max-width:100%}button{font:inherit;padding:.3em 1em}.problem{color:#a00}img{image-rendering:pixelated;max-width:100%}</style></head><body>
<h1>Set up mail{{with .Name}} at {{.}}{{end}}</h1>
<form method="get"><label>Your address: <input type="email" name="email" value="{{.Address}}" autocomplete="email" required></label> <button>Show</button></form>
{{with .Problem}}<p class="problem">{{.}}</p>{{end}}
{{if .Services}}
<p>Most programs find all of this by themselves: give them your address and your password. If one asks:</p>
<table><tr><th>To</th><th>Server</th><th>Port</th><th>Security</th></tr>
{{range .Services}}<tr><td>{{.What}}</td><td>{{.Host}}</td><td>{{.Port}}</td><td>{{.Security}}</td></tr>
{{end}}</table>
<p>The user name is your whole address{{with .Address}}, {{.}}{{end}}. Authentication: password. With two-step verification: an app password.</p>
{{end}}
{{if .Profile}}
<h2>iPhone, iPad, Mac</h2>
<p><a href="{{.Profile}}">Get the profile</a>, then open Settings and allow it. It holds no password; you will be asked for yours.</p>
{{with .Code}}<p>On another device, point its camera here:</p><p><img src="{{.}}" alt="QR code with the address of the profile" width="240" height="240"></p>{{end}}
{{end}}
</body></html>
`))

// page shows people what to enter, and leads telephones to a profile.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := setup{Address: q.Get("email")}
	asked := p.Address
	if domain := q.Get("domain"); asked == "" && domain != "" {
		asked = "you@" + domain
	}
	s, err := h.settings(r, asked)
	switch kind := fault.KindOf(err); {
	case err == nil:
		p.Name, p.Domain = s.Name, s.Domain
		p.show(h, &s)
	case asked == "" && kind == fault.NotFound: // the form alone: whoever asks will tell
	case kind == fault.NotFound:
		p.Problem = "This server has no mail for this domain."
	case kind == fault.Invalid:
		p.Problem = "This is not an address."
	default:
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	pageTemplate.Execute(w, p) //nolint:errcheck // the client has gone if this fails
}

// show fills in the table, and the profile if there is an address.
func (p *setup) show(h *Handler, s *Settings) {
	words := map[Protocol]string{IMAP: "read mail (IMAP)", POP3: "fetch mail (POP3)", Submission: "send mail (SMTP)"}
	for _, x := range s.Services {
		security := "STARTTLS"
		if x.Implicit {
			security = "SSL/TLS"
		}
		p.Services = append(p.Services, row{words[x.Protocol], x.Host, x.Port, security})
	}
	if p.Address == "" {
		return
	}
	if _, err := plist(s, p.Address); err != nil {
		return
	}
	p.Profile = h.o.Base + ProfilePath + "?" + url.Values{"email": {p.Address}}.Encode()
	if code, err := qr.Encode(p.Profile, qr.M); err == nil {
		code.Scale = 4
		p.Code = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()))
	}
}
