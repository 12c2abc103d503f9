package bench

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

// pageBytes is the size of a tiny page.
const pageBytes = 1000

// writePage writes one of count tiny pages; each but the last has the URL of
// the next one.
func writePage(w io.Writer, r *http.Request, block []byte, count int64) {
	at, _ := strconv.ParseInt(r.URL.Query().Get("at"), 10, 64)
	next := "null"
	if at+1 < count {
		next = fmt.Sprintf(`"/pages/%d?at=%d"`, count, at+1)
	}
	begin := int(at) * pageBytes % (len(block) - pageBytes)
	text, _ := json.Marshal(string(block[begin : begin+pageBytes])) // never fails
	fmt.Fprintf(w, `{"data":[%s],"next":%s}`, text, next)
}

// pagesLoop is what a Go programmer writes instead: it follows the pages and
// writes them into one gzip file.
func pagesLoop(url, out string) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	zw, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for url != "" {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		var page struct{ Next string }
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		if _, err := zw.Write(append(body, '\n')); err != nil {
			return err
		}
		if url = page.Next; url != "" {
			at, err := resp.Request.URL.Parse(url)
			if err != nil {
				return err
			}
			url = at.String()
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return f.Close()
}
