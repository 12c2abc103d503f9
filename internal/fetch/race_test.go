//go:build race

package fetch

// underRace makes the heavy tests smaller: the race detector multiplies the
// cost of compression by ten.
const underRace = true
