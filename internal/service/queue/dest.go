package queue

// dest is a destination with items that wait or are tried.
type dest struct {
	name     string
	lanes    []*lane         // those with something; few
	parked   [levels][]*lane // by rank: they wait for a place
	ready    [levels]int     // by rank: how many wait for a worker
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

// lane is the lane called id, which is made if needed.
func (d *dest) lane(id laneID) *lane {
	for _, l := range d.lanes {
		if l.id == id {
			return l
		}
	}
	l := &lane{id: id, dest: d, due: never, low: never}
	d.lanes = append(d.lanes, l)
	return l
}

// free is how many attempts of a class may begin, as far as d is concerned. Bulk leaves one place to others.
func (d *dest) free(class int, now int64) int {
	limit := int(d.limit)
	switch {
	case d.dead && (now < d.until || d.active > 0):
		return 0
	case d.dead:
		return 1
	case class == bulk:
		return min(limit-1-d.bulk, limit-d.active)
	}
	return limit - d.active
}

// busy reports whether anything of d waits or is under way.
func (d *dest) busy() bool {
	waits := false
	for _, l := range d.lanes {
		waits = waits || l.place == ready || l.inLoads || l.due != never
	}
	return waits || d.inMemory()
}

// inMemory reports whether d has attempts, loads or windows, whose end will be followed by a refresh.
func (d *dest) inMemory() bool {
	some := d.active > 0
	for _, l := range d.lanes {
		some = some || l.loading || len(l.window) > 0
	}
	return some
}

// wakeAt is when d has to be looked at although nothing happens to it before.
func (d *dest) wakeAt(now int64) int64 {
	wake := int64(never)
	for _, l := range d.lanes {
		if !l.loading && (l.due > now || d.dead) {
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

// wakes is a heap of destinations by when they are looked at.
type wakes []*dest

func (w wakes) Len() int { return len(w) }

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
