package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration that people write in settings: "90s", "4h",
// "1h30m", "2d", or a number of seconds. It must be above 0.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	var d time.Duration
	var err error
	if n, nerr := strconv.ParseFloat(s, 64); nerr == nil {
		d = time.Duration(n * float64(time.Second))
	} else if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("invalid duration %q: it is a number with a unit, as in 90m, 4h or 2d", s)
	}
	return d, nil
}
