package devcloud

import (
	"fmt"
	"hash/fnv"
	"net"
	"runtime"
)

// Every cloud has its own network 127.B.0.0/16, so that several can run
// side by side. B is claimed by binding a UDP port on 127.B.0.1: the kernel
// gives it to one process only, and takes it back when that ends.
const (
	claimPort = 61022
	firstNet  = 16
	lastNet   = 250
)

// loopbackNets tells that every address of 127.0.0.0/8 can be listened on: other
// systems than Linux have 127.0.0.1 alone from the start.
const loopbackNets = runtime.GOOS == "linux"

// claim is a held network.
type claim struct {
	b    int
	conn *net.UDPConn
}

// claimNet claims the network the cloud had before, or, when b is 0, a free
// one; where the search starts depends on the state directory, so that clouds
// that come and go tend to keep apart.
func claimNet(b int, dir string) (*claim, error) {
	candidates := []int{b}
	failed := fmt.Sprintf("the cloud's network 127.%d.0.0/16 is in use by another one", b)
	if b == 0 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(dir)) // never fails
		const n = lastNet - firstNet + 1
		start := int(h.Sum32() % n)
		candidates = nil
		for i := range n {
			candidates = append(candidates, firstNet+(start+i)%n)
		}
		failed = fmt.Sprintf("none of the networks 127.%d.0.0/16 to 127.%d.0.0/16 is free", firstNet, lastNet)
	}
	var last error
	for _, b := range candidates {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, byte(b), 0, 1), Port: claimPort})
		if err == nil {
			return &claim{b, conn}, nil
		}
		last = err
	}
	return nil, fmt.Errorf("%s: %w", failed, last)
}

// chooseSSHPort finds the port on which guests can answer: the one asked for,
// or 22, or 2222.
func (c *claim) chooseSSHPort(want int) (int, error) {
	ports := []int{22, 2222, 22022}
	if want != 0 {
		ports = []int{want}
	}
	var last error
	for _, p := range ports {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, byte(c.b), 0, 1), Port: p})
		if err == nil {
			return p, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("no port for the guests' SSH: %w", last)
}
