// Package sql is a source of accounts that lie in a table of a PostgreSQL database.
//
// The settings have one query that lists them all; its columns are known by their names. Passwords are verified against a hash, by
// the same query or another one; see package passhash for the forms.
package sql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/service/provision"
)

// Options say where the table is, and how to ask for what it says. Name, URL, List and Password are needed.
type Options struct {
	Name string
	// URL is a connection string of PostgreSQL: postgres://user@host/database?sslmode=verify-full
	URL string
	// Secret is the password for the connection, if it isn't in the URL.
	Secret string
	// List gives a row for each person, with the columns key (default: address), address, and, if there are such, name, aliases (an array, or text with commas),
	// quota (bytes) and enabled (boolean).
	List string
	// Password gives the hash, as its first column, of the person with the key $1.
	Password string
	// Groups, if it isn't empty, gives a row for each member of a group: address, member, and perhaps key and name of the group.
	Groups string
}

// Limits.
const (
	askTime  = 10 * time.Second
	listTime = 10 * time.Minute
	poolSize = 4
)

// Source implements provision.Source.
type Source struct {
	o      Options
	pool   *pgxpool.Pool
	hashes *provision.Hashes
}

var _ provision.Source = (*Source)(nil)

// New makes a Source. It connects when it is first asked. Errors: fault.Invalid.
func New(o Options) (*Source, error) {
	if o.Name == "" || len(o.Name) > directory.MaxSource || o.URL == "" || o.List == "" || o.Password == "" {
		return nil, fault.New(fault.Invalid, "a table of accounts needs a name, a URL, and queries for the list and the password")
	}
	c, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the URL of the database can't be read") // the cause may hold its password
	}
	if o.Secret != "" {
		c.ConnConfig.Password = o.Secret
	}
	c.MaxConns, c.MinConns = poolSize, 0
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // works behind poolers such as PgBouncer
	c.ConnConfig.ConnectTimeout = askTime
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the URL of the database can't be used")
	}
	return &Source{o, pool, provision.NewHashes()}, nil
}

// Name implements provision.Source.
func (s *Source) Name() string { return s.o.Name }

// Close closes all connections.
func (s *Source) Close() { s.pool.Close() }

func unavailable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the database can't be asked")
}

// List implements provision.Source.
func (s *Source) List(ctx context.Context, entry func(provision.Entry) error, group func(provision.Group) error) error {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	err := s.each(ctx, s.o.List, func(r row) error {
		e := provision.Entry{Address: r.text("address"), Name: r.text("name"), Aliases: r.list("aliases"), QuotaBytes: r.number("quota"), Disabled: r.isFalse("enabled")}
		if e.Key = r.text("key"); e.Key == "" {
			e.Key = e.Address
		}
		if e.Address == "" {
			return nil
		}
		return entry(e)
	})
	if err != nil || s.o.Groups == "" {
		return err
	}
	return s.groups(ctx, group)
}

// groups gathers the members of each group.
func (s *Source) groups(ctx context.Context, group func(provision.Group) error) error {
	var order []string
	all := map[string]*provision.Group{}
	err := s.each(ctx, s.o.Groups, func(r row) error {
		address, key := r.text("address"), r.text("key")
		if key == "" {
			key = "group " + address
		}
		if address == "" {
			return nil
		}
		g := all[key]
		if g == nil {
			g = &provision.Group{Key: key, Address: address, Name: r.text("name")}
			all[key] = g
			order = append(order, key)
		}
		if m := r.text("member"); m != "" {
			g.Members = append(g.Members, m)
		}
		return nil
	})
	for _, key := range order {
		if err == nil {
			err = group(*all[key])
		}
	}
	return err
}

// each runs a query and visits its rows.
func (s *Source) each(ctx context.Context, query string, visit func(row) error) error {
	rows, err := s.pool.Query(ctx, query)
	if err != nil {
		return unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return unavailable(err)
		}
		r := row{}
		for i, f := range rows.FieldDescriptions() {
			r[strings.ToLower(f.Name)] = values[i]
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Verify implements provision.Source.
func (s *Source) Verify(ctx context.Context, l directory.Link, password string) (bool, error) {
	hash, err := s.hashOf(ctx, l.Key)
	if err != nil || hash == "" || password == "" {
		return false, err
	}
	return s.hashes.Verify(ctx, hash, password)
}

// Pretend implements provision.Source. The hash's time isn't spent: which kind it would be isn't known. The sign-in has
// one of its own for every name, beside this.
func (s *Source) Pretend(ctx context.Context, _ string) error {
	_, err := s.hashOf(ctx, "\x01nobody")
	return err
}

func (s *Source) hashOf(ctx context.Context, key string) (hash string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	rows, err := s.pool.Query(ctx, s.o.Password, key)
	if err != nil {
		return "", unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil || len(values) == 0 || hash != "" {
			return "", unavailable(fmt.Errorf("the query for the password gives more than one row, or none of use: %v", err))
		}
		hash = textOf(values[0])
	}
	if err := rows.Err(); err != nil {
		return "", unavailable(err)
	}
	return hash, nil
}
