package kitchen_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/galleyhq/galley/kitchen"
)

// hangar is a Driver, a Transport, a Provisioner and a Verifier in one, whose
// machines exist in its imagination only.
type hangar struct{}

func (hangar) Create(_ context.Context, step *kitchen.Step) error {
	step.State.Set(kitchen.KeyHostname, "192.0.2.1")
	return step.State.Save()
}

func (hangar) Destroy(context.Context, *kitchen.Step) error { return nil }

func (hangar) Wait(context.Context, *kitchen.Step) error { return nil }

func (hangar) Connect(context.Context, *kitchen.Step) (kitchen.Conn, error) { return machine{}, nil }

func (hangar) Converge(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	out := step.Report.Output()
	defer out.Close()
	_, err := conn.Run(ctx, kitchen.Command{Line: "echo converged", Stdout: out})
	return err
}

func (hangar) Verify(context.Context, *kitchen.Step, kitchen.Conn) error {
	return errors.New("the wing is missing")
}

// machine runs nothing and says so.
type machine struct{}

func (machine) Run(_ context.Context, cmd kitchen.Command) (int, error) {
	_, err := fmt.Fprintf(cmd.Stdout, "ran %q\n", cmd.Line)
	return 0, err
}
func (machine) Upload(context.Context, fs.FS, string) error          { return nil }
func (machine) Download(context.Context, string, string) error       { return nil }
func (machine) Shell(context.Context, kitchen.Terminal) (int, error) { return 0, nil }
func (machine) Close() error                                         { return nil }

// A kitchen of one instance, whose states are files, brings it to verify. Its
// events are printed as they come.
func Example() {
	dir, err := os.MkdirTemp("", "kitchen-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	print := func(e kitchen.Event) {
		switch e.Kind {
		case kitchen.StepStarted:
			fmt.Printf("%s %s\n", e.Action.Doing(), e.Instance)
		case kitchen.Output:
			fmt.Println("  " + e.Text)
		}
	}
	var h hangar
	k := &kitchen.Kitchen{
		Instances: []*kitchen.Instance{{Name: "default-debian-12", Driver: h, Transport: h, Provisioner: h, Verifier: h}},
		Store:     &kitchen.FileStore{Dir: dir},
		Bus:       kitchen.NewBus(print),
	}
	err = k.Run(context.Background(), kitchen.Request{Action: kitchen.Verify, Instances: k.Instances})
	fmt.Println(err)
	state, err := k.Store.Load("default-debian-12")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("last action:", state.LastAction())
	// Output:
	// Creating default-debian-12
	// Converging default-debian-12
	//   ran "echo converged"
	// Setting up default-debian-12
	// Verifying default-debian-12
	// 1 action failed; Verify failed on instance <default-debian-12>: the wing is missing
	// last action: setup
}

// Select takes names and regular expressions, as the command line does.
func ExampleKitchen_Select() {
	k := &kitchen.Kitchen{}
	for _, name := range []string{"default-debian-12", "default-ubuntu-2404", "web-debian-12"} {
		k.Instances = append(k.Instances, &kitchen.Instance{Name: name})
	}
	chosen, err := k.Select("debian")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, inst := range chosen {
		fmt.Println(inst.Name)
	}
	_, err = k.Select("windows")
	fmt.Println(err)
	// Output:
	// default-debian-12
	// web-debian-12
	// no instances for regex `windows'
}

// A plug-in that is missing is an error, not a crash.
func ExampleMissingPluginError() {
	k := &kitchen.Kitchen{Instances: []*kitchen.Instance{{Name: "default"}}, Store: &kitchen.FileStore{Dir: os.TempDir()}}
	err := k.Run(context.Background(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances})
	var missing *kitchen.MissingPluginError
	fmt.Println(errors.As(err, &missing), missing.Kind)
	// Output: true driver
}
