package bootstrap_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap"
)

// httpProxyAnswering is an HTTP proxy that answers every request with a status.
func httpProxyAnswering(t *testing.T, status string) *bootstrap.HTTPProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			_, _ = conn.Read(buf)
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status)
			conn.Close()
		}
	}()
	addr := ln.Addr().(*net.TCPAddr) //nolint:errcheck // it listens on TCP
	return &bootstrap.HTTPProxy{Host: addr.IP.String(), Port: addr.Port}
}
