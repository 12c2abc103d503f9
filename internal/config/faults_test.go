package config_test

import (
	"errors"
	"testing"

	"github.com/galleyhq/galley/internal/config"
)

func TestFaults(t *testing.T) {
	s := config.NewSection(map[string]any{"port": "x", "wait": "soon", "name": "n"})
	var f config.Faults
	if f.Err() != nil {
		t.Error("no fault is an error")
	}
	_, port := s.Int("port", 1)
	_, wait := s.Seconds("wait", 0)
	for _, err := range []error{nil, port, errors.New("other"), port, &config.ValueError{Key: "port", Where: s.Where("port"), Found: "0", Want: "more"}} {
		f.Add(err)
	}
	var all config.Faults
	all.Add(wait)
	all.Add(f.Err())
	if got, want := all.Err().Error(), wait.Error()+"\n"+port.Error()+"\nother"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	var value *config.ValueError
	if !errors.As(all.Err(), &value) || value.Key != "wait" {
		t.Errorf("the first value at fault is %v", value)
	}
	var one config.Faults
	one.Add(port)
	if one.Err() != port {
		t.Errorf("one fault became %v", one.Err())
	}
}
