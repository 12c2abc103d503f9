package retry

import "time"

// Every calls tick at every interval, from another goroutine, with the time
// since it began: for signs of life in a wait. After stop it is not called.
func Every(interval time.Duration, tick func(since time.Time)) (stop func()) {
	began, stopping, ended := time.Now(), make(chan struct{}), make(chan struct{})
	t := time.NewTicker(interval)
	go func() {
		defer close(ended)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				tick(began)
			case <-stopping:
				return
			}
		}
	}()
	return func() {
		close(stopping)
		<-ended
	}
}
