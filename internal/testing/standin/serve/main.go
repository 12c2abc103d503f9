// Command serve offers the stand-in's package on a loopback address, which it
// prints, until it is ended, at most for an hour. The demonstration uses it.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/galleyhq/galley/internal/testing/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// Whoever started it may have been killed.
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "serving the stand-in:", err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", l.Addr())
	server := &http.Server{Handler: standin.Mirror{}, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l)
	<-ctx.Done()
	server.Close()
}
