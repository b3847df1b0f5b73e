package queue

import (
	"container/heap"
	"slices"
	"time"

	"postroad/internal/service/transfer"
)

// job is items of one message for one destination.
type job struct {
	dest  string
	lane  laneID
	shard uint8
	msg   msgNum
	env   transfer.Envelope
	size  int64
	items []jobItem
	due   int64 // the first item's
	probe bool  // the one attempt at a dead destination
}

type jobItem struct {
	rcpt uint32
	to   transfer.Recipient
	due  int64
}

func (j *job) key(i int) itemKey { return itemKey{msg: j.msg, rcpt: j.items[i].rcpt, shard: j.shard} }

// sched decides what is tried next. It does nothing itself, knows no clock, and is not safe for concurrent use.
//
// An item is known while it is in a window, being tried, or otherwise somebody's: nobody else may act upon it.
type sched struct {
	o       *Options
	dests   map[string]*dest
	known   map[itemKey]struct{}
	blocked map[itemKey]int // administrators are at them
	epoch   uint64          // counts the administrators' changes: what was read before is stale
	tries   [levels]turns   // by rank: lanes that are ready
	toLoad  [levels]turns   // by rank: lanes with something to load
	share   [senders]int    // items in windows, by share of senders
	wakes   wakes
	active  int
	loaded  int // items in windows
	loads   int // under way
}

func newSched(o *Options) *sched {
	return &sched{o: o, dests: map[string]*dest{}, known: map[itemKey]struct{}{}, blocked: map[itemKey]int{}}
}

func (s *sched) dest(name string) *dest {
	d := s.dests[name]
	if d == nil {
		d = &dest{name: name, limit: s.initial(), at: -1, wake: never}
		s.dests[name] = d
	}
	return d
}

// claim makes items known. It fails, and claims none, if one is already.
func (s *sched) claim(keys ...itemKey) bool {
	for _, k := range keys {
		if s.taken(k) {
			return false
		}
	}
	for _, k := range keys {
		s.known[k] = struct{}{}
	}
	return true
}

func (s *sched) taken(k itemKey) bool {
	_, known := s.known[k]
	return known || s.blocked[k] > 0
}

// arrive takes a job whose items are known and durable, and due. What has waited longer on disk goes first.
func (s *sched) arrive(j *job, now int64) {
	d := s.dest(j.dest)
	l := d.lane(j.lane)
	full := s.loaded >= s.o.Limits.Loaded && s.share[l.id.sender()] > 0
	if d.dead || full || s.anyBlocked(j) || l.due <= now || l.loading || len(l.window) >= s.o.Limits.Window {
		s.letGo(j, now)
		return
	}
	s.push(l, j)
	s.refresh(d, now)
}

func (s *sched) push(l *lane, j *job) {
	l.window = append(l.window, j)
	s.count(j, len(j.items))
}

// count counts items that come into a window, or leave one.
func (s *sched) count(j *job, n int) {
	s.loaded += n
	s.share[j.lane.sender()] += n
}

// letGo leaves a job's items to the disk.
func (s *sched) letGo(j *job, now int64) {
	d := s.dest(j.dest)
	l := d.lane(j.lane)
	for i := range j.items {
		delete(s.known, j.key(i))
		l.note(j.items[i].due)
	}
	s.refresh(d, now)
}

// refresh puts a destination's lanes where they belong: in line, as far as they have something to do; and the destination among
// those to be looked at later, or away.
func (s *sched) refresh(d *dest, now int64) {
	kept := d.lanes[:0]
	for _, l := range d.lanes {
		if l.place == nowhere && len(l.window) > 0 {
			l.place = parked
			d.parked[l.id.rank()] = append(d.parked[l.id.rank()], l)
		}
		if !l.inLoads && s.canLoad(l, now) {
			l.inLoads = true
			s.toLoad[l.id.rank()].push(l)
		}
		if !l.idle() {
			kept = append(kept, l)
		}
	}
	clear(d.lanes[len(kept):])
	d.lanes = kept
	for rank := range levels {
		s.advance(d, rank, now)
	}
	if !d.busy() && (!d.dead || now >= d.until) {
		s.sleep(d, never)
		delete(s.dests, d.name)
		return
	}
	s.sleep(d, d.wakeAt(now))
}

// advance has as many lanes wait for a worker as there are places at their destination; the others keep their order. So in a
// destination, too, senders take turns.
func (s *sched) advance(d *dest, rank int, now int64) {
	free := d.free(classAt[rank], now)
	for d.ready[rank] < free && len(d.parked[rank]) > 0 {
		l := d.parked[rank][0]
		d.parked[rank][0] = nil
		d.parked[rank] = d.parked[rank][1:]
		if len(l.window) == 0 { // it went back to the disk
			l.place = nowhere
			continue
		}
		l.place = ready
		d.ready[rank]++
		s.tries[rank].push(l)
	}
}

// canLoad reports whether there is something to load; a dead destination needs a single job.
func (s *sched) canLoad(l *lane, now int64) bool {
	d := l.dest
	if d.dead && (now < d.until || d.inMemory()) {
		return false
	}
	return len(l.window) == 0 && !l.loading && l.due <= now
}

// places is how many workers a class may take: people's mail always finds some that bulk can't have.
func (s *sched) places(class int) int {
	n := s.o.Limits.Workers
	switch class {
	case bulk:
		return max(1, n*3/4)
	case normal:
		return max(1, n*19/20)
	}
	return n
}

// maxLoads is how many loads are under way at once.
const maxLoads = 4

// action is what is to be done next: to try a job, or to load a lane's window from the disk.
type action struct {
	try  *job
	load *load
}

// load reads up to jobs jobs of a lane.
type load struct {
	dest  string
	lane  laneID
	from  int64
	jobs  int
	epoch uint64
}

// next gives the next thing to do, and counts it as begun.
func (s *sched) next(now int64) (action, bool) {
	for rank := range levels {
		if j := s.nextTry(rank, now); j != nil {
			return action{try: j}, true
		}
		if ld := s.nextLoad(rank, now); ld != nil {
			return action{load: ld}, true
		}
	}
	return action{}, false
}

func (s *sched) nextTry(rank int, now int64) *job {
	line := &s.tries[rank]
	for s.active < s.places(classAt[rank]) && !line.empty() {
		l := line.pop(everybody)
		d := l.dest
		d.ready[rank]--
		l.place = nowhere
		switch {
		case len(l.window) == 0:
		case d.free(classAt[rank], now) <= 0: // others came first: it keeps its turn
			l.place = parked
			d.parked[rank] = slices.Insert(d.parked[rank], 0, l)
		default:
			line.served(l)
			j := s.start(l)
			s.refresh(d, now)
			return j
		}
		s.refresh(d, now)
	}
	return nil
}

func (s *sched) nextLoad(rank int, now int64) *load {
	line := &s.toLoad[rank]
	for !line.empty() {
		l := line.pop(s.mayLoad(classAt[rank]))
		if l == nil {
			break
		}
		l.inLoads = false
		if s.canLoad(l, now) {
			line.served(l)
			ld := s.startLoad(l)
			s.refresh(l.dest, now)
			return ld
		}
		s.refresh(l.dest, now)
	}
	return nil
}

// mayLoad says whose lanes may be loaded. Memory is bounded: above the limit only what can be tried at once, or what is of
// senders who have nothing there.
func (s *sched) mayLoad(class int) (mask uint64) {
	switch {
	case s.loads >= maxLoads:
		return 0
	case s.loaded < s.o.Limits.Loaded, s.active < s.places(class):
		return everybody
	}
	for i, n := range s.share {
		if n == 0 {
			mask |= 1 << i
		}
	}
	return mask
}

func (s *sched) start(l *lane) *job {
	j := l.window[0]
	l.window[0] = nil
	if l.window = l.window[1:]; len(l.window) == 0 {
		l.window = nil
	}
	s.count(j, -len(j.items))
	d := l.dest
	j.probe = d.dead
	d.active++
	s.active++
	if l.id.class() == bulk {
		d.bulk++
	}
	return j
}

func (s *sched) startLoad(l *lane) *load {
	jobs := s.o.Limits.Window
	if l.dest.dead || s.loaded >= s.o.Limits.Loaded {
		jobs = 1
	}
	ld := &load{dest: l.dest.name, lane: l.id, from: l.low, jobs: jobs, epoch: s.epoch}
	l.loading, l.due, l.low = true, never, never
	s.loads++
	return ld
}

// loadedJobs takes a load's result: jobs with known items, and when the next one on disk is due. What comes from
// before a change by an administrator is let go.
func (s *sched) loadedJobs(ld *load, jobs []*job, next, now int64) {
	d := s.dest(ld.dest)
	l := d.lane(ld.lane)
	l.loading = false
	s.loads--
	l.note(next)
	for _, j := range jobs {
		if ld.epoch != s.epoch || d.dead && now < d.until {
			s.letGo(j, now)
		} else {
			s.push(l, j)
		}
	}
	s.refresh(d, now)
}

// loadFailed has the lane looked at again after a while.
func (s *sched) loadFailed(ld *load, now int64) {
	d := s.dest(ld.dest)
	l := d.lane(ld.lane)
	l.loading = false
	s.loads--
	l.low = min(l.low, ld.from)
	l.due = min(l.due, now+loadPause.Milliseconds())
	s.refresh(d, now)
}

const loadPause = 10 * time.Second

// verdict is what an attempt says of its destination.
type verdict uint8

const (
	unknown verdict = iota // it was broken off
	alive
	failing
)

// finished ends an attempt. Its items stay known.
func (s *sched) finished(j *job, v verdict, now int64) {
	d := s.dest(j.dest)
	d.active--
	s.active--
	if j.lane.class() == bulk {
		d.bulk--
	}
	switch {
	case v == alive:
		s.up(d)
	case v == failing && !d.dead:
		s.down(d, now)
	case v == failing && j.probe:
		d.strikes++
		s.pause(d, now)
	}
	s.refresh(d, now)
}

// up counts a success: a cohort of them makes room for one more.
func (s *sched) up(d *dest) {
	if d.dead {
		d.dead, d.strikes, d.until, d.limit = false, 0, 0, s.initial()
	}
	d.failures = 0
	d.limit = min(d.limit+1/d.limit, float64(max(s.o.Limits.PerDestination, leastPlaces)))
}

func (s *sched) initial() float64 { return float64(max(s.o.Limits.Initial, leastPlaces)) }

const (
	deadAfter   = 2 // failures in a row
	leastPlaces = 2 // of a living destination: one that bulk can't take
)

func (s *sched) down(d *dest, now int64) {
	d.failures++
	d.limit = max(d.limit-1, leastPlaces)
	if d.failures >= deadAfter {
		d.dead, d.strikes = true, 1
		s.pause(d, now)
	}
}

// pause lets a dead destination alone: what is in memory goes back to the disk.
func (s *sched) pause(d *dest, now int64) {
	pause := s.o.Limits.MaxPause
	if shift := d.strikes - 1; shift < 20 {
		pause = min(pause, s.o.Limits.FirstPause<<shift)
	}
	d.until = now + s.o.spread(pause).Milliseconds()
	for _, l := range slices.Clone(d.lanes) { // letting go may change them
		jobs := l.window
		l.window = nil
		for _, j := range jobs {
			s.count(j, -len(j.items))
			s.letGo(j, now)
		}
	}
}

// revive ends a destination's pause.
func (s *sched) revive(name string, now int64) {
	if d := s.dests[name]; d != nil && d.dead {
		d.dead, d.strikes, d.failures, d.until, d.limit = false, 0, 0, 0, s.initial()
		s.refresh(d, now)
	}
}

// block keeps items from being taken up, those in windows too. What is being tried goes on.
func (s *sched) block(dest string, id laneID, keys []itemKey, now int64) {
	for _, k := range keys {
		s.blocked[k]++
	}
	d := s.dests[dest]
	if d == nil {
		return
	}
	l := d.lane(id)
	var keep []*job
	for _, j := range l.window {
		if s.anyBlocked(j) {
			s.count(j, -len(j.items))
			s.letGo(j, now)
		} else {
			keep = append(keep, j)
		}
	}
	l.window = keep
	s.refresh(d, now)
}

func (s *sched) anyBlocked(j *job) bool {
	for i := range j.items {
		if s.blocked[j.key(i)] > 0 {
			return true
		}
	}
	return false
}

// unblock gives items free, and has their lane looked at from due on.
func (s *sched) unblock(dest string, id laneID, keys []itemKey, due, now int64) {
	s.epoch++
	for _, k := range keys {
		if s.blocked[k]--; s.blocked[k] <= 0 {
			delete(s.blocked, k)
		}
	}
	d := s.dest(dest)
	d.lane(id).note(due)
	s.refresh(d, now)
}

// release gives up items after an attempt or a look at them; what is left on disk is due then. never: nothing is left.
func (s *sched) release(destName string, id laneID, keys []itemKey, due, now int64) {
	for _, k := range keys {
		delete(s.known, k)
	}
	if due != never {
		d := s.dest(destName)
		d.lane(id).note(due)
		s.refresh(d, now)
	}
}

// tick looks at the destinations whose time has come, and says when the next one's comes.
func (s *sched) tick(now int64) (next int64) {
	for len(s.wakes) > 0 && s.wakes[0].wake <= now {
		s.refresh(s.wakes[0], now)
	}
	if len(s.wakes) == 0 {
		return never
	}
	return s.wakes[0].wake
}

// sleep has d looked at when wake has come.
func (s *sched) sleep(d *dest, wake int64) {
	d.wake = wake
	switch {
	case wake == never && d.at >= 0:
		heap.Remove(&s.wakes, d.at)
	case wake == never:
	case d.at >= 0:
		heap.Fix(&s.wakes, d.at)
	default:
		heap.Push(&s.wakes, d)
	}
}
