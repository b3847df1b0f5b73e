package oauthweb

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/oauth"
)

// metadata: RFC 8414 §2, OpenID Connect Discovery 1.0 §3.
func (h *handler) metadata(w http.ResponseWriter, _ *http.Request) {
	at := h.Provider.Issuer()
	reply(w, http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + pathPage, "token_endpoint": at + pathToken, "jwks_uri": at + pathKeys,
		"registration_endpoint": at + pathJoin, "revocation_endpoint": at + pathRevoke, "introspection_endpoint": at + pathInspect,
		"userinfo_endpoint": at + pathWho, "device_authorization_endpoint": at + pathStart,
		"scopes_supported":                               []string{oauth.ScopeMail, oauth.ScopeOpenID, oauth.ScopeEmail, oauth.ScopeOffline},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", deviceGrant},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_basic", "client_secret_post"},
		"introspection_endpoint_auth_methods_supported":  []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"claims_supported":                               []string{"sub", "email", "email_verified", "name"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (h *handler) keys(w http.ResponseWriter, r *http.Request) {
	keys, err := h.Provider.Keys()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	reply(w, http.StatusOK, keys)
}

// deviceGrant is what RFC 8628 §3.4 calls itself.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// token is the token endpoint (RFC 6749 §3.2).
func (h *handler) token(w http.ResponseWriter, r *http.Request) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	var t oauth.Tokens
	var err error
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		t, err = h.Provider.Redeem(r.Context(), &c, r.PostFormValue("code"), r.PostFormValue("redirect_uri"), r.PostFormValue("code_verifier"))
	case "refresh_token":
		t, err = h.Provider.Refresh(r.Context(), &c, r.PostFormValue("refresh_token"))
	case deviceGrant:
		t, err = h.Provider.PollDevice(r.Context(), &c, r.PostFormValue("device_code"))
	default:
		reply(w, http.StatusBadRequest, failure{"unsupported_grant_type", ""})
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer := map[string]any{"access_token": t.Access, "token_type": "Bearer", "expires_in": int(t.Lasts.Seconds()), "refresh_token": t.Refresh, "scope": strings.Join(t.Scope, " ")}
	if t.IDToken != "" {
		answer["id_token"] = t.IDToken
	}
	reply(w, http.StatusOK, answer)
}

// startDevice: RFC 8628 §3.1.
func (h *handler) startDevice(w http.ResponseWriter, r *http.Request) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	if !h.starts.admit(h.peer(r).Addr) {
		reply(w, http.StatusTooManyRequests, failure{"slow_down", "too many devices from your address"})
		return
	}
	d, err := h.Provider.StartDevice(r.Context(), &c, oauth.Scope(r.PostFormValue("scope")))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	at := h.Provider.Issuer() + pathDevice
	reply(w, http.StatusOK, map[string]any{"device_code": d.Device, "user_code": d.User, "verification_uri": at, "verification_uri_complete": at + "?user_code=" + d.User,
		"expires_in": int(oauth.DeviceLife.Seconds()), "interval": int(oauth.DeviceInterval.Seconds())})
}

// revoke: RFC 7009 §2. What isn't known is revoked already.
func (h *handler) revoke(w http.ResponseWriter, r *http.Request) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	if err := h.Provider.Revoke(r.Context(), &c, r.PostFormValue("token")); err != nil {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// introspect: RFC 7662 §2, for clients that have a secret.
func (h *handler) introspect(w http.ResponseWriter, r *http.Request) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	if c.Secret == "" {
		reply(w, http.StatusUnauthorized, failure{"invalid_client", "this is for clients with a secret"})
		return
	}
	i, err := h.Provider.Inspect(r.Context(), r.PostFormValue("token"))
	switch {
	case fault.Is(err, fault.Unauthenticated):
		reply(w, http.StatusOK, map[string]any{"active": false})
	case err != nil:
		h.fail(w, r, err)
	default:
		reply(w, http.StatusOK, h.described(i))
	}
}

// described is what a site is told of a good token (RFC 7662 §2.2). Its audience is our mail, if it opens that: who only asks for
// mail's audience must not take a token that says no more than who somebody is.
func (h *handler) described(i oauth.Info) map[string]any {
	all := map[string]any{"active": true, "scope": strings.Join(i.Grant.Scope, " "), "client_id": i.Grant.ClientID, "username": i.Address,
		"email": i.Address, "token_type": "Bearer", "exp": i.Expires.Unix(), "iat": i.Grant.Used.Unix(), "sub": oauth.Subject(i.Grant.Account), "iss": h.Provider.Issuer()}
	if slices.Contains(i.Grant.Scope, oauth.ScopeMail) {
		all["aud"] = h.Provider.Issuer()
	}
	return all
}

// userinfo: OpenID Connect Core 1.0 §5.3.
func (h *handler) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	i, err := h.Provider.Inspect(r.Context(), strings.TrimSpace(token))
	switch {
	case fault.Is(err, fault.Unauthenticated), err == nil && (!strings.EqualFold(scheme, "Bearer") || !slices.Contains(i.Grant.Scope, oauth.ScopeOpenID)):
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		reply(w, http.StatusUnauthorized, failure{"invalid_token", ""})
	case err != nil:
		h.fail(w, r, err)
	default:
		reply(w, http.StatusOK, map[string]any{"sub": oauth.Subject(i.Grant.Account), "email": i.Address, "email_verified": true})
	}
}

// registration is what a program says of itself (RFC 7591 §2), as far as it matters here.
type registration struct {
	Name      string   `json:"client_name,omitempty"`
	Redirects []string `json:"redirect_uris,omitempty"`
}

// register: RFC 7591 §3. All programs that register themselves are public.
func (h *handler) register(w http.ResponseWriter, r *http.Request) {
	var in registration
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		reply(w, http.StatusBadRequest, failure{"invalid_client_metadata", "want a JSON object"})
		return
	}
	c, err := h.Provider.Register(in.Name, in.Redirects)
	if fault.Is(err, fault.Invalid) {
		reply(w, http.StatusBadRequest, failure{"invalid_redirect_uri", fault.TextOf(err)})
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	reply(w, http.StatusCreated, map[string]any{"client_id": c.ID, "client_id_issued_at": h.Now().Unix(), "client_name": c.Name, "redirect_uris": c.Redirects,
		"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token", deviceGrant}, "response_types": []string{"code"}})
}
