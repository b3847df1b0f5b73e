package directory

import (
	"context"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// NoticeKind says what has changed about who can get into an account.
type NoticeKind uint8

// Kinds of notices. The numbers are stored.
const (
	PasswordChanged NoticeKind = 1 + iota
	TwoStepTurnedOn
	TwoStepTurnedOff
	AuthenticatorSet     // in place of another, or beside passkeys
	AuthenticatorRemoved // which leaves passkeys
	RecoveryCodeUsed
	RecoveryCodesRenewed
	PasskeyAdded       // Detail is its name
	PasskeyRemoved     // likewise
	AppPasswordAdded   // likewise
	AppPasswordRemoved // likewise
	ProgramAllowed     // Detail is what it calls itself
	FetchAdded         // Detail is the account elsewhere
)

// Notice is something that an account's owner is to be told.
type Notice struct {
	Kind   NoticeKind
	At     time.Time
	Detail string

	number uint64
}

// Number tells the notice from all others.
func (n *Notice) Number() uint64 { return n.number }

// Notices are what the owner of an account hasn't been told yet, in the order in which it happened.
type Notices struct {
	Account ident.AccountID
	List    []Notice
}

// MaxNotices bounds how many wait for an account. Beyond, some of a kind that there are others of are left out.
const MaxNotices = 50

// maxNoticeDetail bounds a notice's detail, in bytes.
const maxNoticeDetail = 300

func noticesOf(id ident.AccountID) kv.Range { return prefixed(idKey(keyNotice, uint64(id))) }

func noticeKey(id ident.AccountID, number uint64) []byte {
	return append(idKey(keyNotice, uint64(id)), idKey(0, number)[1:]...)
}

// notice remembers, in the transaction in which it happens, what an account's owner is to be told.
func (d *Directory) notice(tx kv.Tx, id ident.AccountID, kind NoticeKind, detail string) error {
	if !d.notices {
		return nil
	}
	if err := makeRoom(tx, id); err != nil {
		return err
	}
	number, err := nextID(tx)
	if err != nil {
		return err
	}
	detail = detail[:min(len(detail), maxNoticeDetail)]
	return tx.Set(noticeKey(id, number), newRecord(1).uint(uint64(kind)).time(d.stamp()).text(detail))
}

// makeRoom lets go of a notice if there are too many: of the newest that isn't the only one of its kind. So nobody gets rid of what matters by
// much that doesn't, nor puts off the oldest, by whose age the owner is told.
func makeRoom(tx kv.Tx, id ident.AccountID) error {
	waiting, err := getNotices(tx, noticesOf(id))
	if err != nil || len(waiting) == 0 || len(waiting[0].List) < MaxNotices {
		return err
	}
	list, seen := waiting[0].List, map[NoticeKind]int{}
	for _, n := range list {
		seen[n.Kind]++
	}
	for _, n := range slices.Backward(list) {
		if seen[n.Kind] > 1 {
			return tx.Delete(noticeKey(id, n.number))
		}
	}
	return nil // there are fewer kinds than room
}

// Notify has an account's owner told of what others than the directory know. It does nothing if nobody is told anything (Options.Notices).
func (d *Directory) Notify(ctx context.Context, id ident.AccountID, kind NoticeKind, detail string) error {
	if !d.notices {
		return nil
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if _, err := getAccount(tx, id); err != nil {
			return err
		}
		return d.notice(tx, id, kind, detail)
	})
}

// Notices lists all that hasn't been told yet.
func (d *Directory) Notices(ctx context.Context) (list []Notices, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		list, err = getNotices(r, all(keyNotice))
		return err
	})
	return list, err
}

// Told forgets notices, which have reached the owner.
func (d *Directory) Told(ctx context.Context, n Notices) error {
	return d.update(ctx, func(tx kv.Tx) error {
		for _, one := range n.List {
			if err := tx.Delete(noticeKey(n.Account, one.number)); err != nil {
				return err
			}
		}
		return nil
	})
}

func getNotices(r kv.Reader, in kv.Range) (list []Notices, err error) {
	for p, err := range r.Scan(in) {
		if err != nil {
			return nil, err
		}
		id, n, err := decodeNotice(p)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 || list[len(list)-1].Account != id {
			list = append(list, Notices{Account: id})
		}
		last := &list[len(list)-1]
		last.List = append(last.List, n)
	}
	return list, nil
}

func decodeNotice(p kv.Pair) (id ident.AccountID, n Notice, err error) {
	if len(p.Key) != 1+2*idSize {
		return 0, n, fault.New(fault.Corrupt, "directory: a notice can't be read")
	}
	r := readRecord(p.Value, 1)
	n = Notice{Kind: NoticeKind(r.uint()), At: r.time(), Detail: r.text(), number: idOf(p.Key[idSize:])}
	return ident.AccountID(idOf(p.Key[:1+idSize])), n, r.end("notice")
}
