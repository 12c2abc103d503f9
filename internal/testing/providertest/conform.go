// Package providertest checks programs that speak the external provider
// protocol against it. It may be imported by tests only.
package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/galleyhq/galley/internal/provisioner/external"
)

// Conform runs a provider program as a host does and returns what in its
// answers is against the protocol, none for a program that conforms. The
// request is sent to validate and run; canary is a secret that the program
// has in its environment and must not repeat, "" for none.
func Conform(ctx context.Context, command []string, request external.Request, canary string) []error {
	c := &conformance{ctx: ctx, command: command, canary: canary}
	c.capabilities()
	request.ProtocolVersion = external.Version
	request.Operation = external.OpValidate
	c.validate(request)
	request.Operation = external.OpRun
	c.run(request)
	c.refuses("an unknown operation", "nonsense", request)
	request.ProtocolVersion = "2.0"
	c.refuses("a request of another version", external.OpRun, request)
	return c.problems
}

type conformance struct {
	ctx      context.Context
	command  []string
	canary   string
	problems []error
}

func (c *conformance) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *conformance) call(op string, request any) (out []byte, ok bool) {
	in, err := json.Marshal(request)
	if err != nil {
		c.problem("%w", err)
		return nil, false
	}
	cmd := exec.CommandContext(c.ctx, c.command[0], append(slices.Clone(c.command[1:]), op)...)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err = cmd.Output()
	if c.canary != "" && bytes.Contains(out, []byte(c.canary)) {
		c.problem("%s: a secret is in the output", op)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.problem("%s: %w", op, err)
	}
	return out, err == nil
}

// strictly decodes one JSON document without unknown fields.
func (c *conformance) strictly(op string, data []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		c.problem("%s: %w", op, err)
		return false
	}
	return true
}

func (c *conformance) capabilities() {
	out, ok := c.call(external.OpCapabilities, struct{}{})
	if !ok {
		c.problem("capabilities: the exit status is not 0")
		return
	}
	var caps external.Capabilities
	if !c.strictly(external.OpCapabilities, out, &caps) {
		return
	}
	want := external.NewCapabilities(caps.Provider.Name, caps.Provider.Version, caps.Transports...)
	switch {
	case caps.Provider.Name == "" || len(caps.Transports) == 0:
		c.problem("capabilities: the provider's name or its transports are missing")
	case caps.ProtocolVersion != external.Version, caps.Provider.Type != want.Provider.Type, caps.ExecutionModel != want.ExecutionModel,
		caps.Channel != want.Channel, caps.EventStream != want.EventStream, caps.SecretPolicy != want.SecretPolicy:
		c.problem("capabilities: %+v is not what version %s has", caps, external.Version)
	case !slices.Contains(caps.Commands, external.OpValidate) || !slices.Contains(caps.Commands, external.OpRun):
		c.problem("capabilities: validate or run is missing from %q", caps.Commands)
	}
}

func (c *conformance) validate(r external.Request) {
	out, ok := c.call(external.OpValidate, r)
	if !ok {
		c.problem("validate: the exit status is not 0")
		return
	}
	var v external.Validation
	if !c.strictly(external.OpValidate, out, &v) {
		return
	}
	if v.ProtocolVersion != external.Version || v.Status != "ok" && v.Status != "error" || (v.Status == "error") != (len(v.Errors) > 0) {
		c.problem("validate: the answer %s is against the protocol", out)
	}
}

func (c *conformance) run(r external.Request) {
	out, ok := c.call(external.OpRun, r)
	if !ok {
		c.problem("run: the exit status is not 0; a failed converge is a result")
		return
	}
	var last external.Event
	results := 0
	for line := range bytes.Lines(out) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		last = external.Event{}
		if !c.strictly(external.OpRun, line, &last) {
			return
		}
		if last.ProtocolVersion != external.Version {
			c.problem("run: an event has version %q", last.ProtocolVersion)
		}
		if last.Type == "result" {
			results++
		}
	}
	if results != 1 || last.Type != "result" {
		c.problem("run: %d result events, and the last event is %q", results, last.Type)
	}
}

// refuses holds that a faulty request ends with another exit status than 0.
func (c *conformance) refuses(what, op string, r external.Request) {
	if _, ok := c.call(op, r); ok {
		c.problem("%s is answered with exit status 0", what)
	}
}
