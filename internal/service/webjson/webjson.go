// Package webjson reads what other sites say in JSON, bounded: providers of tokens tell of themselves, their keys and tokens that way.
//
// Whom to trust, how long to wait and whether to follow redirects is its caller's business, and said by the http.Client that it brings.
package webjson

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Get reads the document at an address into v. See Do.
func Get(ctx context.Context, c *http.Client, address string, most int64, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return Do(c, r, most, v)
}

// Do sends a request and reads the answer into v, of which at most so many bytes are looked at. Any status but 200 is an error. Errors have
// no Kind: what they mean depends on who is asked.
func Do(c *http.Client, r *http.Request, most int64, v any) error {
	r.Header.Set("Accept", "application/json")
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("it answers " + resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(v)
}
