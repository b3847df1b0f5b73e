// Package sqltest answers queries as a PostgreSQL does, as far as tests of accounts in a table need it.
package sqltest

import (
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Types of columns.
const (
	Bool      = 16
	Int8      = 20
	Text      = 25
	TextArray = 1009
)

// Null is a value that isn't there.
const Null = "\x00"

// Table is what a query gives.
type Table struct {
	Names []string
	Types []uint32 // nil: all Text
	Rows  [][]string
}

// Start serves a database until the test ends, and returns its URL. answer says what a query gives whose first argument is that; not
// ok: there is no such table. It is called from several goroutines.
func Start(t testing.TB, answer func(query, argument string) (x Table, ok bool)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c, answer)
		}
	}()
	return fmt.Sprintf("postgres://reader@%s/mail?sslmode=disable", l.Addr())
}

func serve(c net.Conn, give func(query, argument string) (Table, bool)) {
	defer c.Close()
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	b.Flush()
	query, argument := "", ""
	for {
		m, err := b.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.Parse:
			query = m.Query
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			argument = ""
			if len(m.Parameters) > 0 {
				argument = string(m.Parameters[0])
			}
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			if x, ok := give(query, argument); ok {
				b.Send(describe(x))
			}
		case *pgproto3.Execute:
			x, ok := give(query, argument)
			execute(b, x, ok)
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			b.Flush()
		case *pgproto3.Terminate:
			return
		}
	}
}

func describe(x Table) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, name := range x.Names {
		f := pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: Text}
		if x.Types != nil {
			f.DataTypeOID = x.Types[i]
		}
		d.Fields = append(d.Fields, f)
	}
	return d
}

func execute(b *pgproto3.Backend, x Table, ok bool) {
	if !ok {
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42P01", Message: "no such table"})
		return
	}
	for _, r := range x.Rows {
		d := &pgproto3.DataRow{}
		for _, v := range r {
			if v == Null {
				d.Values = append(d.Values, nil)
			} else {
				d.Values = append(d.Values, []byte(v))
			}
		}
		b.Send(d)
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}
