package move

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/service/imapclient"
	"postroad/internal/service/maildrop"
)

// IMAP says which mail of another server is brought. Connect and Account are needed.
type IMAP struct {
	// Connect gives a connection that is signed in. It is asked again when one breaks, but not if it fails the first time.
	Connect func(ctx context.Context) (*imapclient.Client, error)
	// Account names the account there, in the same words each time: it goes into SourceIDs.
	Account string
	// Have are messages that have been brought before, and are not asked for.
	Have Brought
	// UpdateFlags has the flags told that those have now.
	UpdateFlags bool
	// Only and Exclude name folders, as they are called there, with "/" between levels; those below them
	// are meant, too. No Only means all.
	Only, Exclude []string
	// UniqueIDs says how the server makes unique IDs of POP3; "": they don't come along.
	UniqueIDs maildrop.IDFormat
	// Pause waits before a connection is tried again; nil: for so long. An error ends it all.
	Pause func(ctx context.Context, d time.Duration) error
	// Progress hears of each message: the folder, how many of its messages are dealt with, and how many it has; nil: nobody.
	Progress func(folder string, n, of int)
	// Warn is told what was left out; nil: nobody is.
	Warn func(text string)
	// LeftOut hears of each message that is there and didn't come; nil: nobody.
	LeftOut func()
	// Skipped hears, folder by folder, how many messages were not asked for, as they are in Have; nil: nobody. With UpdateFlags
	// there are none.
	Skipped func(n int)
}

const (
	// imapBatch is how many messages are asked for at once.
	imapBatch = 200
	// imapTries is how often a connection is tried in a row, without a message having come.
	imapTries = 6
	// signInTries is how often a server may refuse the password that it took before: some do so when there is too much to do.
	signInTries = 3
	// doubtAfter is after how many of these messages are asked for one by one; and where the connection breaks doubtTries times at one
	// of them, that is left out.
	doubtAfter, doubtTries = 2, 2
	// longestPause bounds what a server may want us to wait.
	longestPause = 10 * time.Minute
)

// FromIMAP gives the messages of an account on another server, folder by folder. Folders with a role (RFC 6154) get the name by
// which Import knows it. Folders of other people are left out, and so are those that show messages of others again (\All, \Flagged,
// \Important); but of Gmail's "All mail" those come that are in no other folder. A broken connection is made
// again. Messages that the server can't give are told to Warn.
func FromIMAP(o IMAP) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		f := &imapSource{IMAP: o, yield: yield, gmail: map[uint64]bool{}}
		defer f.drop()
		return f.all(ctx)
	}
}

// imapSource brings one account.
type imapSource struct {
	IMAP
	yield  func(*Message) error
	c      *imapclient.Client // nil: not connected
	met    bool               // a connection held once: its address and password are right
	tries  int                // that failed in a row
	gmail  map[uint64]bool    // messages that had been in a folder before
	folder *imapFolder        // that is being brought

	uids    []uint32 // of the folder
	there   []uint32 // of it, brought before, of which the flags are asked for
	skipped int      // of it, brought before, of which nothing is asked
	done    map[uint32]bool
	broke   map[uint32]int // how often the connection broke where a message alone was asked for
	mailbox MailboxID
	known   bool // mailbox is for ever

	validity uint32 // the folder's UIDVALIDITY
}

// imapFolder is a mailbox there and its folder here.
type imapFolder struct {
	name string
	path []string
	all  bool // Gmail's "All mail"
	none bool // it holds no messages
	of   int  // how many messages it has
}

func (s *imapSource) warn(format string, args ...any) {
	if s.Warn != nil {
		s.Warn(fmt.Sprintf(format, args...))
	}
}

func (s *imapSource) all(ctx context.Context) error {
	var folders []imapFolder
	err := s.persist(ctx, func(context.Context) (err error) {
		folders, err = s.plan()
		return err
	})
	if err != nil {
		return err
	}
	for i := range folders {
		f := &folders[i]
		if err := s.yield(&Message{Folder: f.path}); err != nil {
			return err
		}
		if f.none {
			continue
		}
		s.folder, s.done, s.broke = f, map[uint32]bool{}, map[uint32]int{}
		if err := s.persist(ctx, s.bringFolder); err != nil {
			if !isFinal(err) {
				return err
			}
			s.warn("%s can't be read: %v", strings.Join(f.path, "/"), err)
		}
	}
	if s.c != nil {
		s.c.Logout()
		s.c = nil
	}
	return nil
}
