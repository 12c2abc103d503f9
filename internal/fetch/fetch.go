package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Fetch brings what r asks for to where r says, and tells what it brought. The
// file has its name only once it is whole: verified, and synced to the disk.
// After a failure the summary tells what was done until then; the error is an
// [*Error], or wraps the context's cause.
//
// Fetch uses the memory that r.Limits say, whatever the size of the bodies and
// the number of pages. It may be called from many goroutines, with a Request
// for each.
func Fetch(ctx context.Context, r Request) (*Summary, error) {
	f := &run{req: &r, ctx: ctx, sum: &Summary{}}
	err := f.setUp()
	if err == nil {
		err = f.all()
	}
	err = f.finish(err)
	return f.sum, err
}

// hooks are for tests.
type hooks struct {
	sleep func(context.Context, time.Duration) error
	files files
}

// run is one fetch.
type run struct {
	req   *Request
	ctx   context.Context
	sum   *Summary
	meter *Meter
	fs    files
	begun time.Time

	target Target
	url    *url.URL
	client *client
	pager  *pager
	byteRt *rate.Limiter
	taken  int64
	dec    decoder
	buf    []byte
	lines  lineWriter

	format    Format
	level     int
	sink      *sink
	journal   *journal
	path      string // of the output, "" for a writer
	part      string
	mode      fs.FileMode
	direct    bool // nothing can be taken back
	perPage   bool
	file      outFile
	opened    bool
	committed bool

	at      checkpoint // the page at hand
	pageOut int64      // where in the output it begins
	pageCRC uint32
	// pageTaken is what was taken from the network before it.
	pageTaken int64
	contentAt int64      // the meter's content when this run began
	state     *bodyState // of a single body, once it can be resumed
	going     *checkpoint
	lastIn    int64 // of the last checkpoint of a single body

	verified map[string]int
	bodies   int
}

func (f *run) notify(format string, args ...any) {
	if f.req.Notify != nil {
		f.req.Notify(fmt.Sprintf(format, args...))
	}
}

func (f *run) note(l journalLine) error {
	if f.journal == nil {
		return nil
	}
	return diskError(f.path+journalEnding, f.journal.add(l))
}

// all fetches page after page.
func (f *run) all() error {
	for {
		if f.at.Done != "" {
			break
		}
		u, err := url.Parse(f.at.URL)
		if err != nil {
			return &Error{Kind: KindPaging, Msg: "the next page's address", err: err}
		}
		f.meter.page.Store(int64(max(f.at.Page, 1)))
		f.pageTaken = f.taken
		g, err := f.page(u)
		if err != nil {
			var e *Error
			if errors.As(err, &e) && f.pager.stopsAt(f.at, e) {
				f.at.Done = fmt.Sprintf("the server answered %d", e.Status)
				break
			}
			return f.describePage(err)
		}
		f.client.retry.progress()
		f.sum.Pages++
		next, perr := f.pager.follow(f.at, g)
		if next.Done != "" && perr == nil {
			if why := f.pager.lonely(f.at); why != "" {
				f.notify("%s", why)
			}
		}
		if f.perPage {
			if err := f.commitPage(); err != nil {
				return err
			}
		}
		if perr != nil {
			// The page is whole and stays; but what follows it cannot be had.
			return f.describePage(perr)
		}
		if f.pager.mode != onePage {
			if err := f.pageDone(next); err != nil {
				return err
			}
		}
		f.at = next
	}
	f.sum.Stopped = f.at.Done
	return f.commit()
}

func (f *run) describePage(err error) error {
	var e *Error
	if f.at.Page > 1 && errors.As(err, &e) && e.Op != "" && !strings.HasPrefix(e.Op, "page ") {
		e.Op = fmt.Sprintf("page %d: %s", f.at.Page, e.Op)
	}
	return err
}

// pageDone ends a page: its last block is cut, and once that is written the
// journal says so.
func (f *run) pageDone(next checkpoint) error {
	if f.perPage {
		return f.note(journalLine{At: &next})
	}
	return f.sink.cut(func(out int64, crc uint32) error {
		f.pageOut, f.pageCRC = out, crc
		c := next
		c.Out, c.CRC = out, crc
		return f.note(journalLine{At: &c})
	})
}

func (f *run) what() string {
	if f.at.Page == 0 {
		return "the body"
	}
	return fmt.Sprintf("page %d", f.at.Page)
}

func (f *run) op() string {
	if f.url == nil {
		return ""
	}
	return f.req.Method + " " + showURL(f.url)
}
