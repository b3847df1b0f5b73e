package admin

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/backup"
	"postroad/internal/storage/kv"
)

// Names of the operations that answer with a stream.
const (
	backupKeys  = "backup.keys"
	backupPairs = "backup.pairs"
)

// storeType is the media type of their streams: for each key the length of it and the value's, as LEB128, the
// key, and for pairs the value. Two zeros end the stream, and then comes a line of JSON: {}, or what went wrong.
const storeType = "application/x-postroad-store"

// backs answers the operations of backups that are no JSON, and reports whether this was one.
func backs(a Admin, w http.ResponseWriter, r *http.Request, log *slog.Logger) bool {
	k, ok := a.(momentKeeper)
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	if !ok || name != backupKeys && name != backupPairs {
		return false
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		sorry(w, fault.New(fault.Invalid, "this operation is asked for by POST with Content-Type: application/json"))
		return true
	}
	if err := serveStore(k, w, r, name == backupPairs); err != nil {
		log.Warn("admin operation failed", "err", err)
	}
	return true
}

func serveStore(k momentKeeper, w http.ResponseWriter, r *http.Request, values bool) error {
	var q rangeArg
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		err = fault.Wrap(fault.Invalid, err, "the body can't be read")
	} else {
		err = decode(body, &q)
	}
	if err != nil {
		return sorry(w, err)
	}
	begun := false
	err = k.withMoment(q.ID, func(o backup.Origin) error {
		begun = true
		return sendStore(r.Context(), w, o, q, values)
	})
	if err != nil && !begun {
		return sorry(w, err)
	}
	return err
}

func sendStore(ctx context.Context, w http.ResponseWriter, o backup.Origin, q rangeArg, values bool) error {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // the request has been read; its deadline would end the stream
	w.Header().Set("Content-Type", storeType)
	w.Header().Set("Cache-Control", "no-store")
	b := bufio.NewWriterSize(&patient{w: w, c: c}, 256<<10)
	var err error
	if values {
		err = o.Read(ctx, q.Partition, q.Lo, q.Hi, func(p kv.Pair) error {
			sendKey(b, p.Key, len(p.Value))
			_, err := b.Write(p.Value)
			return err
		})
	} else {
		for s, failed := range o.Sizes(ctx, q.Partition, q.Lo, q.Hi) {
			if err = failed; err == nil {
				err = sendKey(b, s.Key, s.Size)
			}
			if err != nil {
				break
			}
		}
	}
	b.Write([]byte{0, 0})
	end := errorBody{}
	if err != nil {
		end = bodyOf(err)
	}
	return errors.Join(err, json.NewEncoder(b).Encode(end), b.Flush(), c.Flush(), c.SetWriteDeadline(time.Time{}))
}

func sendKey(b *bufio.Writer, key []byte, size int) error {
	b.Write(binary.AppendUvarint(binary.AppendUvarint(b.AvailableBuffer(), uint64(len(key))), uint64(size)))
	_, err := b.Write(key)
	return err
}

// remoteOrigin is an Origin that a running server shows.
type remoteOrigin struct {
	c  *Client
	id string
}

// BeginBackup implements Backer.
func (c *Client) BeginBackup(ctx context.Context) (BackupOrigin, error) {
	m, err := call[momentArg](ctx, c, "backup.begin", none{})
	if err != nil {
		return nil, err
	}
	return &remoteOrigin{c, m.ID}, nil
}

// Close ends the backup on the server, even if the command was interrupted.
func (o *remoteOrigin) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return do(ctx, o.c, "backup.end", momentArg{o.id})
}

func (o *remoteOrigin) Partitions(ctx context.Context) ([]kv.Partition, error) {
	return call[[]kv.Partition](ctx, o.c, "backup.partitions", momentArg{o.id})
}

func (o *remoteOrigin) Mark(ctx context.Context, repository, run string) error {
	return do(ctx, o.c, "backup.mark", markArg{o.id, repository, run})
}

func (o *remoteOrigin) Sizes(ctx context.Context, p kv.Partition, lo, hi []byte) iter.Seq2[kv.Sized, error] {
	return func(yield func(kv.Sized, error) bool) {
		err := o.stream(ctx, backupKeys, p, lo, hi, func(_ *bufio.Reader, key []byte, size int) error {
			if !yield(kv.Sized{Key: key, Size: size}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(kv.Sized{}, err)
		}
	}
}

var errEnough = errors.New("enough")

func (o *remoteOrigin) Read(ctx context.Context, p kv.Partition, lo, hi []byte, fn func(kv.Pair) error) error {
	v := valueReader{fn: fn}
	return o.stream(ctx, backupPairs, p, lo, hi, v.read)
}

// valueReader reads the value behind a key, for fn.
type valueReader struct {
	fn   func(kv.Pair) error
	room []byte
}

func (v *valueReader) read(b *bufio.Reader, key []byte, size int) error {
	if cap(v.room) < size {
		v.room = make([]byte, size)
	}
	v.room = v.room[:size]
	if _, err := io.ReadFull(b, v.room); err != nil {
		return cutOff(err)
	}
	return v.fn(kv.Pair{Key: key, Value: v.room})
}

// readPairs reads a stream of pairs.
func readPairs(b *bufio.Reader, fn func(kv.Pair) error) error {
	v := valueReader{fn: fn}
	return readKeys(b, v.read)
}

// stream asks for a range and calls fn with each key, from behind which it reads the value if there is one.
func (o *remoteOrigin) stream(ctx context.Context, name string, p kv.Partition, lo, hi []byte, fn func(b *bufio.Reader, key []byte, size int) error) error {
	argument, err := json.Marshal(rangeArg{o.id, p, lo, hi})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	resp, err := o.c.post(ctx, name, "application/json", strings.NewReader(string(argument)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b := bufio.NewReaderSize(resp.Body, 256<<10)
	if err := readKeys(b, fn); err != nil {
		return err
	}
	_, err = b.Discard(1) // the end: else the connection would be closed, and not used again
	if !errors.Is(err, io.EOF) {
		return cutOff(err)
	}
	return nil
}

func readKeys(b *bufio.Reader, fn func(b *bufio.Reader, key []byte, size int) error) error {
	var key [kv.MaxKey]byte
	for {
		n, err := binary.ReadUvarint(b)
		if err != nil {
			return cutOff(err)
		}
		size, err := binary.ReadUvarint(b)
		switch {
		case err != nil:
			return cutOff(err)
		case n == 0:
			return endOf(b)
		case n > kv.MaxKey || size > kv.MaxValue:
			return fault.New(fault.Internal, "the stream makes no sense")
		}
		if _, err := io.ReadFull(b, key[:n]); err != nil {
			return cutOff(err)
		}
		if err := fn(b, key[:n], int(size)); err != nil {
			return err
		}
	}
}

// endOf reads what a stream ends with.
func endOf(b *bufio.Reader) error {
	line, err := b.ReadBytes('\n')
	if err != nil {
		return cutOff(err)
	}
	var end errorBody
	if err := json.Unmarshal(line, &end); err != nil {
		return fault.Wrap(fault.Internal, err, "the stream makes no sense")
	}
	if end.Error.Kind == "" {
		return nil
	}
	return end.fault()
}

func cutOff(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the stream was cut off")
}
