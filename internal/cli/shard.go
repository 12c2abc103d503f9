package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// shardFlag is --shard I/N: the part of a run that this runner does.
type shardFlag struct{ kitchen.Shard }

func (s *shardFlag) add(fs *pflag.FlagSet) {
	fs.Var(s, "shard", "work on part `I/N` of the instances, balanced by the durations in the logs; for N runners side by side")
}

func (s *shardFlag) String() string {
	if s.N == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.I, s.N)
}

func (s *shardFlag) Type() string { return "shard" }

func (s *shardFlag) Set(value string) (err error) {
	s.Shard, err = kitchen.ParseShard(value)
	return err
}

// of returns the part of the instances, all of them without the flag.
func (s *shardFlag) of(p *project, instances []*kitchen.Instance) []*kitchen.Instance {
	if s.N == 0 {
		return instances
	}
	return s.Of(instances, p.lastDurations(instances))
}

// lastDurations returns how long each instance took in the latest session of
// its log, 0 where there is none.
func (p *project) lastDurations(instances []*kitchen.Instance) func(*kitchen.Instance) time.Duration {
	took := map[string]time.Duration{}
	for _, inst := range instances {
		h := history.New(0)
		// An instance without a log weighs as much as the average.
		if h.LoadAll([]runlog.Source{{Instance: inst.Name, Path: p.paths.Structured(inst.Name)}}, "", false) != nil {
			continue
		}
		for _, i := range h.Instances {
			// One that took no time is not one of which nothing is known.
			took[inst.Name] += max(i.Elapsed(), time.Millisecond)
		}
	}
	return func(inst *kitchen.Instance) time.Duration { return took[inst.Name] }
}

// matrix is a run's instances as the parallel jobs of a CI system.
type matrix struct {
	// github is what a GitHub Actions job takes by strategy.matrix, gitlab
	// what a GitLab CI job takes by parallel.matrix.
	github map[string][]map[string]string
	gitlab map[string]any
}

func newMatrix(instances []*kitchen.Instance) matrix {
	include := []map[string]string{}
	names := []string{}
	for _, inst := range instances {
		include = append(include, map[string]string{"instance": inst.Name, "suite": inst.Suite, "platform": inst.Platform})
		names = append(names, inst.Name)
	}
	return matrix{
		github: map[string][]map[string]string{"include": include},
		gitlab: map[string]any{"parallel": map[string]any{"matrix": []map[string][]string{{"INSTANCE": names}}}},
	}
}

// matrixFormats are the formats of list for CI systems.
var matrixFormats = []string{"matrix", "matrix-gitlab"}

// printMatrix writes the matrix in one of [matrixFormats]; GitHub's is on one
// line, as a step's output takes it.
func (p *program) printMatrix(format string, instances []*kitchen.Instance) error {
	m := newMatrix(instances)
	if format == "matrix-gitlab" {
		return p.yaml(m.gitlab)
	}
	return encodeJSON(p.streams.Out, m.github, "")
}
