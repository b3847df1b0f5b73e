package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, which Linux has at 100.
const tick = 10 * time.Millisecond

// cpuOf is the CPU time of processes and all below them, those that have ended included.
func cpuOf(pids string) time.Duration {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	children, ticks := map[int][]int{}, map[int]int{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has just ended
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		// After the name in brackets: state, parent, ..., user and system time, and those of children that have ended.
		field := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		parent, _ := strconv.Atoi(field[1])
		children[parent] = append(children[parent], id)
		for _, t := range field[11:15] {
			n, _ := strconv.Atoi(t)
			ticks[id] += n
		}
	}
	var todo []int
	for p := range strings.SplitSeq(pids, ",") {
		if n, err := strconv.Atoi(p); err == nil {
			todo = append(todo, n)
		}
	}
	sum := 0
	for len(todo) > 0 {
		p := todo[0]
		todo = append(todo[1:], children[p]...)
		sum += ticks[p]
	}
	return time.Duration(sum) * tick
}

// settle waits until processes have nothing to do, so that what one measurement left behind isn't counted in the next.
func settle(ctx context.Context, pids string) {
	const look, idle = 500 * time.Millisecond, 30 * time.Millisecond
	for before := cpuOf(pids); pids != "" && ctx.Err() == nil; {
		time.Sleep(look)
		now := cpuOf(pids)
		if now-before < idle {
			return
		}
		before = now
	}
}

// flushes counts the flushes of each disk since the machine started: the 16th column after the name.
func flushes() map[string]int {
	b, _ := os.ReadFile("/proc/diskstats")
	all := map[string]int{}
	for line := range strings.Lines(string(b)) {
		field := strings.Fields(line)
		if len(field) > 18 {
			all[field[2]], _ = strconv.Atoi(field[18])
		}
	}
	return all
}

// flushesSince is how many there were on the disk that had the most of them; other programs' are among them.
func flushesSince(before map[string]int) (most int) {
	for disk, n := range flushes() {
		most = max(most, n-before[disk])
	}
	return most
}
