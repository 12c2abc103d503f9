package session

import (
	"context"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/retry"
)

// pacer spaces the requests to one cloud: not at all while it answers, more
// and more when it says that it is busy.
type pacer struct {
	mu sync.Mutex
	// least is the first gap that is kept.
	least time.Duration
	gap   time.Duration
	next  time.Time
}

const (
	gapMin = 50 * time.Millisecond
	gapMax = 2 * time.Second
)

func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	return retry.Sleep(ctx, at.Sub(now))
}

func (p *pacer) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(p.gap*2, p.least), gapMax)
}

func (p *pacer) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = p.gap * 3 / 4
	if p.gap < p.least/2 {
		p.gap = 0
	}
}
