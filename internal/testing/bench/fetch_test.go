package bench

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/fetch"
)

var (
	size   = flag.String("size", "512M", "size of the body")
	growth = flag.String("growth", "256M,1G", "two sizes for the growth of memory (empty: not measured); 1G,10G takes long")
	only   = flag.String("only", "", "comparisons to make, such as M1,M4 (empty: all)")
)

func TestFetch(t *testing.T) {
	b := &bench{galley: program(t), runs: *runs, dir: t.TempDir()}
	var err error
	if b.size, err = fetch.ParseSize(*size); err != nil {
		t.Fatal(err)
	}
	b.only = strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	err = b.all(*growth)
	b.table(os.Stdout)
	if err != nil {
		t.Fatal(err)
	}
}

// serve is the server, a separate process. The paths are /plain/SIZE,
// /gzip/SIZE and /pages/COUNT; it listens with and without TLS.
func serve(sizeText string) error {
	size, err := strconv.ParseInt(sizeText, 10, 64)
	if err != nil {
		return err
	}
	block := records(32 << 20)
	zipped, err := packed(block, size)
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		kind, text, _ := strings.Cut(r.URL.Path[1:], "/")
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case kind == "gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", strconv.Itoa(len(zipped)))
			_, _ = w.Write(zipped)
		case err != nil:
			http.NotFound(w, r)
		case kind == "pages":
			writePage(w, r, block, n)
		default:
			w.Header().Set("Content-Length", strconv.FormatInt(bodySize(block, n), 10))
			_ = writeBody(w, block, n)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	fmt.Println(plain.URL, secure.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the program that started it
	return nil
}
