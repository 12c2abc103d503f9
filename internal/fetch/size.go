package fetch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseSize reads a number of bytes: 10240, 64K, 32M, 1.5GiB. K, M, G and T
// are powers of 1024, KB, MB, GB and TB of 1000.
func ParseSize(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	i := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	unit := ""
	if i >= 0 {
		text, unit = text[:i], strings.TrimSpace(text[i:])
	}
	n, err := strconv.ParseFloat(text, 64)
	mult := 1.0
	if unit != "" && unit != "b" {
		p := strings.IndexByte("kmgt", unit[0])
		base := 1024.0
		switch unit[1:] {
		case "", "i", "ib":
		case "b":
			base = 1000
		default:
			p = -1
		}
		if p < 0 {
			err = strconv.ErrSyntax
		} else {
			mult = math.Pow(base, float64(p+1))
		}
	}
	if err != nil || n < 0 || n*mult > math.MaxInt64/2 {
		return 0, usage("invalid size %q: write a number of bytes, or 64K, 32M, 1.5G (powers of 1024), 10MB (of 1000)", s)
	}
	return int64(n * mult), nil
}

// ParseRate reads a rate: "2M" or "2M/s" are bytes per second, "10r/s" and
// "600r/m" are requests. One of the two results is 0.
func ParseRate(s string) (bytes, requests float64, err error) {
	text, per := s, time.Second
	if t, unit, ok := strings.Cut(s, "/"); ok {
		text = t
		switch strings.TrimSpace(unit) {
		case "s", "sec", "second":
		case "m", "min", "minute":
			per = time.Minute
		case "h", "hour":
			per = time.Hour
		default:
			return 0, 0, usage("invalid rate %q: it ends in /s, /m or /h", s)
		}
	}
	text = strings.TrimSpace(text)
	for _, suffix := range []string{"requests", "request", "req", "r"} {
		if t, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
			if err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
				return 0, 0, usage("invalid rate %q: requests are written as 10r/s", s)
			}
			return 0, n / per.Seconds(), nil
		}
	}
	n, err := ParseSize(text)
	if err != nil || n == 0 {
		return 0, 0, usage("invalid rate %q: bytes are written as 2M/s, requests as 10r/s", s)
	}
	return float64(n) / per.Seconds(), 0, nil
}

// FormatSize prints a number of bytes for users, in powers of 1024.
func FormatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		f /= 1024
		if f < 1024 || u == "TiB" {
			return fmt.Sprintf("%.1f %s", f, u)
		}
	}
	return ""
}
