package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/oauthclient"
	"postroad/internal/storage/kv"
)

// grant is the secret of a source that signs in by OAuth 2.0. It is stored as passwords are.
type grant struct {
	ClientSecret string    `json:"client_secret,omitempty"`
	Refresh      string    `json:"refresh,omitempty"`
	Access       string    `json:"access,omitempty"`
	Expires      time.Time `json:"expires,omitzero"` // of Access; zero: nobody knows
}

func (g grant) encode() string {
	b, _ := json.Marshal(g) // which can't fail
	return string(b)
}

// beforeEnd is how long before its end an access token is renewed.
const beforeEnd = 5 * time.Minute

// good reports whether the access token may be tried.
func (g *grant) good(now time.Time) bool {
	return g.Access != "" && (g.Expires.IsZero() || now.Before(g.Expires.Add(-beforeEnd)))
}

// with takes what a provider has given.
func (g grant) with(t oauthclient.Tokens) grant {
	g.Access, g.Expires, g.Refresh = t.Access, t.Expires, cmp.Or(t.Refresh, g.Refresh)
	return g
}

// renewing is how long a renewal may take. It goes on when the server is told to stop: the provider may have made the old
// refresh token worthless when the answer is lost.
const renewing = 30 * time.Second

func errNotAllowed() error {
	return fault.New(fault.Unauthenticated, "nobody has allowed us to fetch this mail yet")
}

// AddOAuth is Add for a source that signs in by OAuth 2.0 (Source.OAuth). Without a refresh token it waits for somebody to allow it: see
// BeginDevice and BeginCode.
func (s *Service) AddOAuth(ctx context.Context, src Source, clientSecret, refresh string) (Source, error) {
	if src.OAuth == nil {
		return src, fault.New(fault.Invalid, "by which provider does it sign in?")
	}
	for _, text := range []string{clientSecret, refresh} {
		if text != "" {
			if err := checkSecret(text); err != nil {
				return src, err
			}
		}
	}
	var status Status
	if refresh == "" {
		status = Status{Failures: 1, Error: errNotAllowed().Error(), Next: s.o.Now().Add(maxBackOff)}
	}
	return s.add(ctx, src, status, grant{ClientSecret: clientSecret, Refresh: refresh}.encode())
}

// token gives an access token; not bad, which the server has refused. fresh: it has been renewed just now.
func (s *Service) token(ctx context.Context, src *Source, bad string) (token string, fresh bool, err error) {
	g, err := s.grant(ctx, src.ID)
	if err != nil {
		return "", false, err
	}
	if g.good(s.o.Now()) && g.Access != bad {
		return g.Access, false, nil
	}
	if g.Refresh == "" {
		return "", false, errNotAllowed()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewing)
	defer cancel()
	t, err := s.providers.Refresh(ctx, src.OAuth.App, g.ClientSecret, g.Refresh)
	if err != nil {
		return "", false, err
	}
	// What was given is durable before it is used: the old refresh token may be good no more.
	if err := s.replaceGrant(ctx, src.ID, g, g.with(t)); err != nil {
		return "", false, err
	}
	return t.Access, true, nil
}

func (s *Service) grant(ctx context.Context, id uint32) (g grant, err error) {
	secret, err := s.secret(ctx, id)
	if err == nil && json.Unmarshal([]byte(secret), &g) != nil {
		err = fault.New(fault.Corrupt, "the tokens of an external account are damaged: let somebody allow it again")
	}
	return g, err
}

// replaceGrant stores a grant in place of another. fault.Conflict: somebody has allowed it anew meanwhile, and that counts.
func (s *Service) replaceGrant(ctx context.Context, id uint32, old, next grant) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, _, err := load(tx, id); err != nil {
			return err
		}
		now, err := s.openSecret(tx, id)
		if err != nil {
			return err
		}
		if now != old.encode() {
			return fault.New(fault.Conflict, "the permission was given anew meanwhile")
		}
		return s.putSecret(tx, id, next.encode())
	})
}

// allowed stores what somebody's permission has given, and has the source asked at once.
func (s *Service) allowed(ctx context.Context, id uint32, t oauthclient.Tokens) error {
	if t.Refresh == "" {
		return fault.New(fault.Denied, "the provider gives no refresh token: the permission would end soon (its scope offline_access, or the like, may be missing)")
	}
	defer s.look()
	return s.db.Update(context.WithoutCancel(ctx), Partition, func(tx kv.Tx) error {
		_, status, err := load(tx, id)
		if err != nil {
			return err
		}
		text, err := s.openSecret(tx, id)
		if err != nil {
			return err
		}
		var g grant
		if json.Unmarshal([]byte(text), &g) != nil {
			g = grant{}
		}
		status.Failures, status.Error, status.Next = 0, "", time.Time{}
		if err := putJSON(tx, sourceKey(keyStatus, id), status); err != nil {
			return err
		}
		return s.putSecret(tx, id, g.with(t).encode())
	})
}
