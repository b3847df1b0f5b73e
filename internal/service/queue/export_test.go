package queue

// Held counts the items in memory: waiting, being tried, being looked at.
func (q *Queue) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.s.known)
}
