package broker

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Outcome is what became of one of many imports.
type Outcome struct {
	Index  int // of its request
	Result Result
	Err    error
	// Begun: the key is on its way and stands as Result says; what becomes of it comes in
	// an outcome of its own, or, once the caller's context has ended, by importing it again.
	Begun bool
}

// ImportEach imports many keys, so many at once at every target, and yields what becomes
// of each in the order in which they end. One that fails holds no other up, and a target
// that is slow or does not answer holds up only the keys that go there: at each of its
// targets a key is brought by a leg of its own. Proofs that import again wait until
// everything was brought to their target, because both take the same scarce calls; until
// then such a key is begun, and neither proven nor given to consumers.
//
// Once ctx ends, or the caller has seen enough, no leg is begun; what is under way is
// finished, and yielded unless the caller has left. What was never begun is not yielded.
func (b *Broker) ImportEach(ctx context.Context, reqs []ImportRequest, atOnce int) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		s := b.newBulk(reqs, max(1, atOnce))
		wanted := true
		for {
			if wanted && ctx.Err() == nil {
				s.depart(ctx)
			}
			s.remember(ctx)
			if s.flying == 0 {
				return
			}
			for _, o := range s.await() {
				wanted = wanted && yield(o)
			}
		}
	}
}

// bulk is many imports under way. One goroutine works with it; each leg has one of its
// own, which says only how it ended.
type bulk struct {
	b        *Broker
	reqs     []ImportRequest
	rows     []bulkRow
	lanes    []*lane // in the order in which they were needed first
	named    map[string]*lane
	atOnce   int
	flying   int
	arrivals chan arrival
	told     Head      // that the token was told to remember
	toldAt   time.Time // when
}

// bulkRow is one import among many.
type bulkRow struct {
	stages []*lane // that bring it to its targets
	legs   int     // of them still to go
	busy   bool    // a leg is under way: one writer a key
	parked bool    // its last leg ended in order
	late   bool    // a proof of it waits
	ended  bool
	failed error // one of its targets does not answer, and is not asked again
}

// arrival is how a leg ended.
type arrival struct {
	row    int
	lane   *lane
	result Result
	err    error
}

func (b *Broker) newBulk(reqs []ImportRequest, atOnce int) *bulk {
	s := &bulk{
		b: b, reqs: reqs, rows: make([]bulkRow, len(reqs)), named: map[string]*lane{}, atOnce: atOnce, arrivals: make(chan arrival),
	}
	for i, req := range reqs {
		s.rows[i].stages = s.stagesOf(req)
		s.rows[i].legs = len(s.rows[i].stages)
		for _, l := range s.rows[i].stages {
			l.waits = append(l.waits, i)
		}
	}
	return s
}

// rememberEvery is how often the token is told where the audit stands while many are under
// way: it takes some tokens longer than the rest of an import. A store that is taken back
// within that time is found out by what it lacks at the targets alone.
const rememberEvery = time.Second

// await is what has landed next. What ended meanwhile does not wait for it to be told.
func (s *bulk) await() []Outcome {
	if s.b.end.onDisk().Seq == s.told.Seq {
		return s.landed(<-s.arrivals)
	}
	due := time.NewTimer(rememberEvery)
	defer due.Stop()
	select {
	case a := <-s.arrivals:
		return s.landed(a)
	case <-due.C:
		return nil // remember comes before the next wait
	}
}

// remember tells the token where the audit stands on the disk, now and then and at the
// end: what a power failure takes back, the token would miss.
func (s *bulk) remember(ctx context.Context) {
	setup, err := s.b.token()
	head, now := s.b.end.onDisk(), s.b.o.Now()
	if err != nil || s.flying > 0 && now.Sub(s.toldAt) < rememberEvery || head.Seq == s.told.Seq {
		return
	}
	s.b.remember(context.WithoutCancel(ctx), setup, head)
	s.told, s.toldAt = head, now
}

// depart begins what there is room for.
func (s *bulk) depart(ctx context.Context) {
	for _, l := range s.lanes {
		for l.flying < s.atOnce && l.open() {
			row, ok := s.next(l)
			if !ok {
				break
			}
			s.rows[row].busy = true
			l.flying++
			s.flying++
			part := s.leg(l, &s.rows[row])
			go func() {
				r, err := s.b.importLeg(context.WithoutCancel(ctx), s.reqs[row], part)
				s.arrivals <- arrival{row, l, r, err}
			}()
		}
	}
}

// next takes the first row of a lane that no other leg has under way.
func (s *bulk) next(l *lane) (row int, ok bool) {
	for i := 0; i < len(l.waits); i++ {
		switch row := l.waits[i]; {
		case s.rows[row].ended:
			l.drop(i)
			i--
		case !s.rows[row].busy:
			l.drop(i)
			return row, true
		}
	}
	return 0, false
}

// landed puts a row where its leg leaves it, and is what is to be told of that.
func (s *bulk) landed(a arrival) []Outcome {
	row := &s.rows[a.row]
	row.busy, row.parked = false, a.err == nil
	a.lane.flying--
	s.flying--
	var told []Outcome
	if goesOn := a.err == nil && a.result.parked() || passing(a.err) && a.lane.stages && len(row.stages) > 1; goesOn {
		row.late = row.late || a.err == nil && a.result.waitsForProof()
		told = append(told, s.legDone(a.row, a.result))
	} else {
		row.ended = true
		told = append(told, Outcome{Index: a.row, Result: a.result, Err: a.err})
	}
	if a.lane.answered(a.err) > givesUpAfter*s.atOnce {
		told = append(told, s.giveUp(a.lane, a.err)...)
	}
	return told
}

// legDone lets a row that was brought everywhere wait for its end.
func (s *bulk) legDone(i int, r Result) Outcome {
	row := &s.rows[i]
	if row.legs--; row.legs > 0 {
		return Outcome{Index: i, Result: r, Begun: true}
	}
	if row.failed != nil {
		row.ended = true
		return Outcome{Index: i, Result: r, Err: row.failed}
	}
	l := s.lastOf(row)
	l.waits = append(l.waits, i)
	return Outcome{Index: i, Result: r, Begun: true}
}

// giveUp leaves a target alone that does not answer: keys that go elsewhere too are
// brought there, and end as failed.
func (s *bulk) giveUp(l *lane, cause error) (told []Outcome) {
	waits := l.waits
	l.waits = nil
	for _, i := range waits {
		row := &s.rows[i]
		if row.ended {
			continue
		}
		row.failed = &Error{
			Kind: Unavailable, Op: "import", Object: "key " + s.reqs[i].Name,
			Cause: fmt.Errorf("%s was not asked: %d keys in a row had failed there, the last with: %w", l.targets, l.failed, cause),
			Hint:  "see why it does not answer, and run the same command again",
		}
		if o := s.legDone(i, Result{}); !o.Begun {
			told = append(told, o)
		}
	}
	return told
}
