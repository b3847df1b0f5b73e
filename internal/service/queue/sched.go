package queue

import (
	"container/heap"
	"math"
	"time"

	"postroad/internal/service/transfer"
)

// The classes, best first.
const (
	urgent = iota
	normal
	bulk
	classes
)

func classOf(priority int) int {
	switch {
	case priority > 0:
		return urgent
	case priority < 0:
		return bulk
	}
	return normal
}

// never is later than all times.
const never = math.MaxInt64

// job is items of one message for one destination and class.
type job struct {
	dest  string
	class int
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

// lane is a destination's items of one class.
type lane struct {
	window  []*job // next to be tried, in memory
	due     int64  // when to look for more on disk: nothing is due there earlier
	low     int64  // nothing on disk is before it
	loading bool
	inTries bool // in the ring of those with a job to try
	inLoads bool // in the ring of those with something to load
}

// note says that there is something on disk.
func (l *lane) note(due int64) { l.due, l.low = min(l.due, due), min(l.low, due) }

// dest is a destination with items that wait or are tried.
type dest struct {
	name     string
	lanes    [classes]lane
	active   int
	bulk     int     // of the active ones
	limit    float64 // of active ones
	failures int     // in a row
	strikes  int     // failed probes, if dead
	dead     bool
	until    int64 // the pause's end, if dead
	wake     int64 // when it is looked at again
	at       int   // in the heap, -1: not there
}

// sched decides what is tried next. It does nothing itself, knows no clock, and is not safe for concurrent use.
//
// An item is known while it is in a window, being tried, or otherwise somebody's: nobody else may act upon it.
type sched struct {
	o       *Options
	dests   map[string]*dest
	known   map[itemKey]struct{}
	blocked map[itemKey]int // administrators are at them
	epoch   uint64          // counts the administrators' changes: what was read before is stale
	tries   [classes]ring   // in turn
	toLoad  [classes]ring
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
		for c := range d.lanes {
			d.lanes[c].due, d.lanes[c].low = never, never
		}
		s.dests[name] = d
	}
	return d
}

// ring has destinations that take turns.
type ring []*dest

func (r *ring) push(d *dest) { *r = append(*r, d) }

func (r *ring) pop() *dest {
	d := (*r)[0]
	(*r)[0] = nil
	*r = (*r)[1:]
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
	l := &d.lanes[j.class]
	if d.dead || s.anyBlocked(j) || l.due <= now || l.loading || len(l.window) >= s.o.Limits.Window || s.loaded >= s.o.Limits.Loaded {
		s.letGo(j, now)
		return
	}
	s.push(l, j)
	s.refresh(d, now)
}

func (s *sched) push(l *lane, j *job) {
	l.window = append(l.window, j)
	s.loaded += len(j.items)
}

// letGo leaves a job's items to the disk.
func (s *sched) letGo(j *job, now int64) {
	d := s.dest(j.dest)
	for i := range j.items {
		delete(s.known, j.key(i))
		d.lanes[j.class].note(j.items[i].due)
	}
	s.refresh(d, now)
}

// refresh puts a destination where it belongs: into the rings of the classes that have something to do, among
// those to be looked at later, or away.
func (s *sched) refresh(d *dest, now int64) {
	for c := range d.lanes {
		l := &d.lanes[c]
		if !l.inTries && s.canTry(d, c, now) {
			l.inTries = true
			s.tries[c].push(d)
		}
		if !l.inLoads && s.canLoad(d, c, now) {
			l.inLoads = true
			s.toLoad[c].push(d)
		}
	}
	if !d.busy() && (!d.dead || now >= d.until) {
		s.sleep(d, never)
		delete(s.dests, d.name)
		return
	}
	s.sleep(d, d.wakeAt(now))
}

// busy reports whether anything of d waits or is under way.
func (d *dest) busy() bool {
	waits := false
	for c := range d.lanes {
		l := &d.lanes[c]
		waits = waits || l.inTries || l.inLoads || l.due != never
	}
	return waits || d.inMemory()
}

// inMemory reports whether d has attempts, loads or windows, whose end will be followed by a refresh.
func (d *dest) inMemory() bool {
	some := d.active > 0
	for c := range d.lanes {
		some = some || d.lanes[c].loading || len(d.lanes[c].window) > 0
	}
	return some
}

// wakeAt is when d has to be looked at although nothing happens to it before.
func (d *dest) wakeAt(now int64) int64 {
	wake := int64(never)
	for c := range d.lanes {
		if l := &d.lanes[c]; !l.loading && (l.due > now || d.dead) {
			wake = min(wake, l.due)
		}
	}
	if d.dead {
		if d.inMemory() {
			return never
		}
		if wake == never {
			return d.until // to be forgotten
		}
		wake = max(wake, d.until)
	}
	if wake <= now {
		return never // it is in a ring
	}
	return wake
}

// canTry reports whether a job of the class may begin, as far as d is concerned. Bulk leaves one place to others.
func (s *sched) canTry(d *dest, class int, now int64) bool {
	switch limit := int(d.limit); {
	case len(d.lanes[class].window) == 0:
		return false
	case d.dead:
		return now >= d.until && d.active == 0
	case class == bulk && d.bulk >= limit-1:
		return false
	default:
		return d.active < limit
	}
}

// canLoad reports whether there is something to load for a class of d; a dead one needs a single job.
func (s *sched) canLoad(d *dest, class int, now int64) bool {
	l := &d.lanes[class]
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
	class int
	from  int64
	jobs  int
	epoch uint64
}

// next gives the next thing to do, and counts it as begun.
func (s *sched) next(now int64) (action, bool) {
	for c := range classes {
		for s.active < s.places(c) && len(s.tries[c]) > 0 {
			d := s.tries[c].pop()
			d.lanes[c].inTries = false
			if s.canTry(d, c, now) {
				j := s.start(d, c)
				s.refresh(d, now)
				return action{try: j}, true
			}
		}
		for s.mayLoad(c) && len(s.toLoad[c]) > 0 {
			d := s.toLoad[c].pop()
			d.lanes[c].inLoads = false
			if s.canLoad(d, c, now) {
				ld := s.startLoad(d, c)
				s.refresh(d, now)
				return action{load: ld}, true
			}
			s.refresh(d, now)
		}
	}
	return action{}, false
}

// mayLoad keeps memory bounded: above the limit only what can be tried at once is loaded.
func (s *sched) mayLoad(class int) bool {
	return s.loads < maxLoads && (s.loaded < s.o.Limits.Loaded || s.active < s.places(class))
}

func (s *sched) start(d *dest, class int) *job {
	l := &d.lanes[class]
	j := l.window[0]
	l.window[0] = nil
	l.window = l.window[1:]
	s.loaded -= len(j.items)
	j.probe = d.dead
	d.active++
	s.active++
	if class == bulk {
		d.bulk++
	}
	return j
}

func (s *sched) startLoad(d *dest, class int) *load {
	l := &d.lanes[class]
	jobs := s.o.Limits.Window
	if d.dead || s.loaded >= s.o.Limits.Loaded {
		jobs = 1
	}
	ld := &load{dest: d.name, class: class, from: l.low, jobs: jobs, epoch: s.epoch}
	l.loading, l.due, l.low = true, never, never
	s.loads++
	return ld
}

// loadedJobs takes a load's result: jobs with known items, and when the next one on disk is due. What comes from
// before a change by an administrator is let go.
func (s *sched) loadedJobs(ld *load, jobs []*job, next, now int64) {
	d := s.dest(ld.dest)
	l := &d.lanes[ld.class]
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
	l := &d.lanes[ld.class]
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
	if j.class == bulk {
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
	for c := range d.lanes {
		l := &d.lanes[c]
		jobs := l.window
		l.window = nil
		for _, j := range jobs {
			s.loaded -= len(j.items)
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
func (s *sched) block(dest string, class int, keys []itemKey, now int64) {
	for _, k := range keys {
		s.blocked[k]++
	}
	d := s.dests[dest]
	if d == nil {
		return
	}
	l := &d.lanes[class]
	var keep []*job
	for _, j := range l.window {
		if s.anyBlocked(j) {
			s.loaded -= len(j.items)
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
func (s *sched) unblock(dest string, class int, keys []itemKey, due, now int64) {
	s.epoch++
	for _, k := range keys {
		if s.blocked[k]--; s.blocked[k] <= 0 {
			delete(s.blocked, k)
		}
	}
	d := s.dest(dest)
	d.lanes[class].note(due)
	s.refresh(d, now)
}

// release gives up items after an attempt or a look at them; what is left on disk is due then. never: nothing is left.
func (s *sched) release(destName string, class int, keys []itemKey, due, now int64) {
	for _, k := range keys {
		delete(s.known, k)
	}
	if due != never {
		d := s.dest(destName)
		d.lanes[class].note(due)
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

// wakes is a heap of destinations by when they are looked at.
type wakes []*dest

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].wake < w[j].wake }
func (w wakes) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].at, w[j].at = i, j
}

// Push implements heap.Interface.
func (w *wakes) Push(x any) {
	d := x.(*dest)
	d.at = len(*w)
	*w = append(*w, d)
}

// Pop implements heap.Interface.
func (w *wakes) Pop() any {
	last := len(*w) - 1
	d := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	d.at = -1
	return d
}
