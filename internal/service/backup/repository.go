package backup

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postroad/internal/fault"
)

const (
	idFile    = "postroad-backup"
	lockName  = "lock"
	runsDir   = "runs"
	packsDir  = "packs"
	runSuffix = ".run"
)

// Repository is an open folder of backups. It is not safe for concurrent use.
type Repository struct {
	dir    string
	id     string
	lock   *os.File
	index  map[hash]place
	codec  *codec
	reader packReader
}

type identity struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
}

// Create opens a repository for writing, and makes it if dir is empty or missing. Errors: fault.InUse,
// fault.Invalid if there is something else.
func Create(dir string) (*Repository, error) {
	if err := initialise(dir); err != nil {
		return nil, err
	}
	return open(dir, true)
}

// Open opens a repository for reading. Errors: fault.NotFound, fault.InUse while somebody writes.
func Open(dir string) (*Repository, error) { return open(dir, false) }

func initialise(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, idFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreadable(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{lockName, runsDir, packsDir, "lost+found"}, e.Name()) && !strings.HasPrefix(e.Name(), newPrefix) {
			return fault.New(fault.Invalid, "%s holds something that is no backup", dir)
		}
	}
	for _, d := range []string{dir, filepath.Join(dir, runsDir), filepath.Join(dir, packsDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return unwritable(err)
		}
	}
	content, err := json.Marshal(identity{formatVersion, strings.ToLower(rand.Text())})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	return writeFile(filepath.Join(dir, idFile), append(content, '\n'))
}

func open(dir string, exclusive bool) (*Repository, error) {
	content, err := os.ReadFile(filepath.Join(dir, idFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no backup in %s", dir)
	}
	if err != nil {
		return nil, unreadable(err)
	}
	var is identity
	if err := json.Unmarshal(content, &is); err != nil || is.ID == "" {
		return nil, fault.New(fault.Corrupt, "%s in %s is damaged", idFile, dir)
	}
	if is.Format != formatVersion {
		return nil, fault.New(fault.Unsupported, "the backup has format %d, which this version doesn't know", is.Format)
	}
	r := &Repository{dir: dir, id: is.ID, index: map[hash]place{}}
	if r.lock, err = lockFor(filepath.Join(dir, lockName), exclusive); err != nil {
		return nil, err
	}
	if r.codec, err = newCodec(); err == nil {
		r.reader.codec = r.codec
		err = r.readPacks()
	}
	if err == nil && exclusive {
		err = r.sweepNew()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// lockFor locks. Who may only read, on a medium without a lock file, needs none.
func lockFor(path string, exclusive bool) (*os.File, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !exclusive {
		return nil, nil
	}
	return lockFile(path, exclusive)
}

// Close lets the repository go.
func (r *Repository) Close() error {
	r.reader.close()
	if r.codec != nil {
		r.codec.close()
	}
	if r.lock != nil {
		return r.lock.Close()
	}
	return nil
}

// ID names the repository, for ever.
func (r *Repository) ID() string { return r.id }

func (r *Repository) packs() string { return filepath.Join(r.dir, packsDir) }

// readPacks reads the indexes of all packs. A damaged pack is as one that isn't there: what is in it is missing
// where it is looked for, and the next run writes it again.
func (r *Repository) readPacks() error {
	names, err := r.packNames()
	for _, name := range names {
		failed := readIndex(name, func(h hash, at place) { r.index[h] = at })
		if failed != nil && !fault.Is(failed, fault.Corrupt) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

func (r *Repository) packNames() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(escapeGlob(r.packs()), "*"+packSuffix))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	return names, nil
}

// escapeGlob takes a path literally.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// sweepNew removes what interrupted commands left unfinished.
func (r *Repository) sweepNew() error {
	for _, dir := range []string{r.dir, filepath.Join(r.dir, runsDir), r.packs()} {
		names, err := filepath.Glob(filepath.Join(escapeGlob(dir), newPrefix+"*"))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "")
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return unwritable(err)
			}
		}
	}
	return nil
}

// piece returns a piece, which is valid until the next call.
func (r *Repository) piece(h hash) ([]byte, error) {
	at, ok := r.index[h]
	if !ok {
		return nil, fault.New(fault.Corrupt, "the backup lacks a piece: a pack is lost or damaged")
	}
	return r.reader.read(h, at)
}

func (r *Repository) list(p Partial) ([]entry, error) {
	b, err := r.piece(p.List)
	if err != nil {
		return nil, err
	}
	return decodeList(b)
}

// Runs lists the runs, oldest first. A run whose file is damaged is an error; those that can be read are returned all the same.
func (r *Repository) Runs() ([]Run, error) {
	names, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(r.dir, runsDir)), "*"+runSuffix))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	slices.Sort(names)
	var all []Run
	var failed error
	for _, name := range names {
		run, err := readRun(name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		all = append(all, run)
	}
	return all, failed
}

// Run finds a run by its ID or the beginning of it; empty or "latest": the newest. Errors: fault.NotFound,
// fault.Invalid if several begin like this.
func (r *Repository) Run(id string) (Run, error) {
	all, err := r.Runs()
	if id == "" || id == "latest" {
		if len(all) == 0 {
			return Run{}, errors.Join(err, fault.New(fault.NotFound, "there is no run in the backup"))
		}
		return all[len(all)-1], nil
	}
	var found []Run
	for _, run := range all {
		if strings.HasPrefix(run.ID, id) {
			found = append(found, run)
		}
	}
	switch len(found) {
	case 0:
		return Run{}, errors.Join(err, fault.New(fault.NotFound, "there is no run %s in the backup", id))
	case 1:
		return found[0], nil
	}
	return Run{}, fault.New(fault.Invalid, "several runs begin with %s", id)
}

func (r *Repository) runPath(id string) string { return filepath.Join(r.dir, runsDir, id+runSuffix) }

func (r *Repository) writeRun(run Run) error {
	b, err := json.Marshal(run)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	sum := sha256.Sum256(b)
	b = append(b, '\n')
	b = append(hex.AppendEncode(b, sum[:]), '\n')
	return writeFile(r.runPath(run.ID), b)
}

func readRun(path string) (run Run, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return run, unreadable(err)
	}
	body, sum, _ := bytes.Cut(b, []byte("\n"))
	want := sha256.Sum256(body)
	if string(bytes.TrimSpace(sum)) != hex.EncodeToString(want[:]) || json.Unmarshal(body, &run) != nil {
		return run, fault.New(fault.Corrupt, "%s is damaged", filepath.Base(path))
	}
	if run.Format != formatVersion {
		return run, fault.New(fault.Unsupported, "%s has format %d, which this version doesn't know", filepath.Base(path), run.Format)
	}
	return run, nil
}
