package fetch

import "context"

// Fetch downloads the content that r asks for to the output of r, and returns a
// summary. The output gets its name only once it is complete: verified, and
// synced to the disk. After a failure the summary covers the part until then;
// the error is an [*Error], or wraps the context's cause.
//
// Fetch uses the memory that r.Limits allow, whatever the size of the bodies
// and the number of pages. It may be called from many goroutines, with a
// Request for each.
func Fetch(ctx context.Context, r Request) (*Summary, error) {
	s := &session{req: &r, ctx: ctx, sum: &Summary{}}
	err := s.setUp()
	if err == nil {
		err = s.run()
	}
	err = s.finish(err)
	return s.sum, err
}
