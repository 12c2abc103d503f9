package runlog

import (
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/kitchen"
)

// TestCallsDoNotEndAWait: polls of the cloud go on in the middle of a wait.
func TestCallsDoNotEndAWait(t *testing.T) {
	var got []string
	rec := NewRecorder(Options{}, func(r Record) { got = append(got, string(r.Kind())+" "+r.Level+" "+r.Message) })
	start := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	e := func(sec int, kind kitchen.EventKind, text string, took time.Duration) {
		rec.Event(kitchen.Event{Time: start.Add(time.Duration(sec) * time.Second), Kind: kind, Text: text, Elapsed: took, Instance: "a"})
	}
	e(1, kitchen.StillWaiting, "the server", time.Second)
	e(2, kitchen.APICall, "GET /servers/1: 200", time.Second)
	e(3, kitchen.SSHCall, "connect", time.Second)
	e(4, kitchen.Info, "(server ready)", 0)
	want := []string{
		"waiting info Waiting for the server...",
		"api_call debug GET /servers/1: 200",
		"ssh_call debug connect",
		"waited debug Waited 4s for the server",
		"info info (server ready)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
