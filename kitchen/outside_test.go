package kitchen_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/kitchen"
)

// outsideProgram uses the engine as any other program may.
const outsideProgram = `package main

import (
	"context"
	"fmt"

	"github.com/galleyhq/galley/kitchen"
)

type driver struct{}

func (driver) Create(_ context.Context, step *kitchen.Step) error { return fmt.Errorf("no room for %s", step.Instance.Name) }
func (driver) Destroy(context.Context, *kitchen.Step) error       { return nil }

type transport struct{}

func (transport) Wait(context.Context, *kitchen.Step) error                    { return nil }
func (transport) Connect(context.Context, *kitchen.Step) (kitchen.Conn, error) { return nil, nil }

func main() {
	k := &kitchen.Kitchen{
		Instances: []*kitchen.Instance{{Name: "x", Driver: driver{}, Transport: transport{}}},
		Store:     &kitchen.FileStore{Dir: "states"},
	}
	fmt.Println(k.Run(context.Background(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances}))
}
`

// TestOutsideTheModule builds a program in its own module against the
// engine, without any dependency but the engine's module, and runs it.
func TestOutsideTheModule(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
	module, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.go": outsideProgram,
		"go.mod":  "module example.com/outside\n\ngo 1.26\n\nrequire github.com/galleyhq/galley v0.0.0\n\nreplace github.com/galleyhq/galley => " + module + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", "outside", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), filepath.Join(dir, "outside"))
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no room for x") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestFileStore(t *testing.T) {
	s := &kitchen.FileStore{Dir: filepath.Join(t.TempDir(), "states")}
	unlock, err := s.Lock(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Lock(ctx, "a", func(string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("the second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	st, err := s.Load("a")
	if err != nil || !st.Empty() {
		t.Fatalf("%v, %v", st, err)
	}
	st.Set("z", "last letter, first key")
	st.Set("a", map[string]any{"n": 1.5})
	if err := st.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := s.Load("a")
	if err != nil || strings.Join(again.Keys(), " ") != "z a" || again.String("z") != "last letter, first key" {
		t.Errorf("%v, %v", again, err)
	}
	for _, name := range []string{"", "..", "../a", ".hidden", "a/b"} {
		if _, err := s.Load(name); err == nil {
			t.Errorf("%q can be loaded", name)
		}
	}
	if err := os.WriteFile(s.Path("a"), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	var corrupt *kitchen.CorruptError
	if _, err := s.Load("a"); !errors.As(err, &corrupt) || corrupt.Path != s.Path("a") {
		t.Errorf("a file without an object: %v", err)
	}
	if err := errors.Join(s.Delete("a"), s.Delete("a")); err != nil {
		t.Error(err)
	}
}
