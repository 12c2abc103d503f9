package fetch

import "time"

// speedWindow is the time over which a speed is measured.
const speedWindow = 15 * time.Second

// speedCheck measures the speed of a body in windows of time.
type speedCheck struct {
	since time.Time
	from  int64
}

func (s *speedCheck) reset(pos int64) { s.since, s.from = time.Now(), pos }

// tooSlow reports whether the window that has just ended was slower than least,
// in bytes per second; 0 means no bound.
func (s *speedCheck) tooSlow(pos int64, least float64) bool {
	if least <= 0 {
		return false
	}
	took := time.Since(s.since)
	if took < speedWindow {
		return false
	}
	slow := float64(pos-s.from)/took.Seconds() < least
	s.reset(pos)
	return slow
}
