// Command bench measures galley fetch beside what people use otherwise: curl,
// curl with gzip, and Python's requests. The candidates of one comparison run
// in turn, several times, so that a busy machine is busy for all of them; what
// counts are the medians of their ratios. It ends with a table of the targets:
// the bar, the measurement, and whether that is enough.
//
//	go run ./internal/testing/fetchbench -galley bin/galley -size 512M
//	go run ./internal/testing/fetchbench -galley bin/galley -long
//
// What is not about speed (cursors at any split, kills, broken connections, full
// disks) is proved by the package's tests. A candidate that is not installed is
// left out, and the table says so.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/fetch"
)

func main() {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "serve":
			fatal(serve(os.Args[2]))
			return
		case "pages":
			fatal(pagesLoop(os.Args[2], os.Args[3]))
			return
		}
	}
	b := &bench{}
	flag.StringVar(&b.galley, "galley", "galley", "the program to measure")
	size := flag.String("size", "512M", "size of the body")
	growth := flag.String("growth", "256M,1G", "two sizes for the growth of memory (empty: not measured)")
	long := flag.Bool("long", false, "measure memory from 1 to 10 GiB")
	flag.IntVar(&b.runs, "runs", 5, "runs of each candidate")
	only := flag.String("only", "", "comparisons to make, such as M1,M4 (empty: all)")
	dir := flag.String("dir", "", "where to write (empty: a temporary folder)")
	flag.Parse()
	var err error
	if b.size, err = fetch.ParseSize(*size); err != nil {
		fatal(err)
	}
	b.only = strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	if b.dir = *dir; b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench-fetch-"); err != nil {
			fatal(err)
		}
		defer os.RemoveAll(b.dir)
	}
	if *long {
		*growth = "1G,10G"
	}
	err = b.all(*growth)
	b.table(os.Stdout)
	fatal(err)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
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
