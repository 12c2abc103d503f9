// Package bench measures galley beside what people use otherwise: fetch beside
// curl, curl with gzip and Python's requests, deps beside chef-cli and
// Berkshelf. The candidates of one comparison run in turn, several times, so
// that a busy machine is busy for all of them; what counts are the medians of
// their ratios. A candidate that is not installed is left out, and the table
// says so.
//
//	go test ./internal/testing/bench -run TestFetch -timeout 0 -v -galley bin/galley -size 512M
//	go test ./internal/testing/bench -run TestDeps -timeout 0 -v -galley bin/galley
//
// What is not about speed (cursors at any split, kills, broken connections, full
// disks) is proved by the packages' own tests.
package bench

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	galley = flag.String("galley", "", "the program to measure")
	runs   = flag.Int("runs", 5, "runs of each candidate")
)

// helper is the variable that makes the test binary one of the other programs:
// the servers, and what a Go programmer writes instead of galley fetch.
const helper = "GALLEY_BENCH_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helper) == "" {
		os.Exit(m.Run())
	}
	err := errors.New("unknown helper")
	switch args := os.Args[1:]; args[0] {
	case "serve":
		err = serve(args[1])
	case "pages":
		err = pagesLoop(args[1], args[2])
	case "market":
		err = market(args[1], args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// program returns the program to measure.
func program(t *testing.T) string {
	t.Helper()
	if *galley == "" {
		t.Skip("it measures for minutes: -galley names the program")
	}
	path, err := filepath.Abs(*galley)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts a server as a separate process, since the peak of a child begins
// at that of its parent, and reads what it says first.
func start(said []any, args ...string) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server := exec.Command(self, args...)
	server.Env, server.Stderr = append(os.Environ(), helper+"=1"), os.Stderr
	hold, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		hold.Close()
		_ = server.Wait() // it has nothing to say
	}
	if _, err := fmt.Fscan(out, said...); err != nil {
		stop()
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return stop, nil
}
