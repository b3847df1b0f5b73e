package bench

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"postroad/internal/server/config"
)

// BenchmarkReceptionShare is how much of the raw rate is left when a stranger's message is checked, filtered and judged. Two servers are
// brought messages by turns of a tenth of a second or two, so that whatever else the machine does meets both: machines differ from minute to
// minute by more than what is measured. ratio is the median of the turns' ratios; raw/s and all/s are medians, too. b.N counts turns.
func BenchmarkReceptionShare(b *testing.B) {
	raw := reception{Protocol: config.SMTP}
	all := reception{Protocol: config.SMTP, Checked: true, Sieve: true, Judged: true, Policies: true}
	programs := startPrograms(b)
	raw.Programs, all.Programs = programs, programs
	for _, conns := range []int{1, 10, 50} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			one, other := raw.bring(b, conns), all.bring(b, conns)
			var rates [2][]float64
			var ratios []float64
			for i := range b.N + 2 {
				r, a := one.turn(b), other.turn(b)
				if i < 2 {
					continue // the first meet empty stores
				}
				rates[0], rates[1] = append(rates[0], r), append(rates[1], a)
				ratios = append(ratios, a/r)
			}
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(median(rates[0]), "raw/s")
			b.ReportMetric(median(rates[1]), "all/s")
			b.ReportMetric(one.worked(), "rawµs/msg")
			b.ReportMetric(other.worked(), "allµs/msg")
		})
	}
}

// turnSize is how many messages are brought in a turn.
const turnSize = 2000

// bringers are connections to a server.
type bringers struct {
	*process
	conns   []*client
	message string
	cpu     time.Duration
	count   int
}

func (r *reception) bring(b *testing.B, conns int) *bringers {
	s := &bringers{process: r.start(b), message: signed(b, 2<<10)}
	for range conns {
		c := s.dial(b, r)
		b.Cleanup(func() { c.Close() })
		s.conns = append(s.conns, c)
	}
	return s
}

// turn brings messages and returns how many were acknowledged in a second.
func (s *bringers) turn(b *testing.B) float64 {
	s.rest()
	jobs := make(chan int)
	var all sync.WaitGroup
	cpu, begin := s.process.cpu(), time.Now()
	for _, c := range s.conns {
		all.Go(func() {
			for i := range jobs {
				c.deliver(i, s.message)
			}
		})
	}
	for range turnSize {
		jobs <- s.count
		s.count++
	}
	close(jobs)
	all.Wait()
	took := time.Since(begin)
	s.cpu += s.process.cpu() - cpu
	return turnSize / took.Seconds()
}

// worked is the processor's time for a message in µs, without what was done when the turns were over.
func (s *bringers) worked() float64 { return float64(s.cpu.Microseconds()) / float64(s.count) }

// rest waits until the server has nothing to do for the moment. What it leaves for a longer rest isn't waited for.
func (p *process) rest() {
	for before := p.cpu(); ; {
		time.Sleep(30 * time.Millisecond)
		now := p.cpu()
		if now == before {
			return
		}
		before = now
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
