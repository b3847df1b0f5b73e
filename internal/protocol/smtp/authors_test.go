package smtp

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/ident"
	"postroad/internal/service/inbound"
	"postroad/internal/storage/kv/pebble"
)

// addressBook knows that alice is sales, too, and has a name at bücher.example.
type addressBook struct{}

func (addressBook) IsLocal(_ context.Context, domain string) (bool, error) {
	return domain == "example.org" || domain == "xn--bcher-kva.example", nil
}

func (addressBook) MaySend(_ context.Context, _ ident.AccountID, address string) (bool, error) {
	return slices.Contains([]string{"alice@example.org", "sales@example.org", "alice@xn--bcher-kva.example"}, strings.ToLower(address)), nil
}

func (b addressBook) MaySendIn(ctx context.Context, _ ident.AccountID, domain string) (bool, error) {
	return b.IsLocal(ctx, domain)
}

// authorsGate looks at the authors of who has signed in, and lets everybody else in.
func authorsGate(t *testing.T, rule string) Gate {
	authors, err := inbound.AuthorsNamed(rule)
	if err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return NewGate(nil, inbound.NewAccounts(inbound.AccountOptions{DB: db, Authors: authors, Names: addressBook{}}))
}
