package base

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/kitchen"
)

// Play is what the dummies do (Test Kitchen: sleep, fail, random_failure).
type Play struct {
	Sleep        time.Duration
	Fail, Random bool
}

// ReadPlay reads the keys of a dummy.
func ReadPlay(s config.Section) (Play, error) {
	r := &config.Reader{Section: s}
	p := Play{Sleep: r.Time("sleep", 0), Fail: r.Flag("fail", false), Random: r.Flag("random_failure", false)}
	return p, r.Err()
}

// Act sleeps and fails as configured.
func (p Play) Act(ctx context.Context, step *kitchen.Step, who, what string) error {
	step.Report.Info("[%s] %s on <%s>", who, what, step.Instance.Name)
	if err := Sleep(ctx, step, p.Sleep, "the dummy's sleep to end"); err != nil {
		return err
	}
	if p.Fail {
		return errors.New("the dummy fails, as `fail: true` asks")
	}
	if p.Random && rand.IntN(2) == 0 {
		return errors.New("the dummy fails, as `random_failure: true` asks now and then")
	}
	step.Report.Debug("[%s] %s completed", who, what)
	return nil
}

// Sleep waits for a time that the user asked for and gives signs of life.
func Sleep(ctx context.Context, step *kitchen.Step, d time.Duration, what string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	defer retry.Every(time.Second, func(since time.Time) { step.Report.Waiting(what, "for "+d.String(), since) })()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
