package guest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const tunDevice = "/dev/net/tun"

// ownNetwork reports whether guests can have their own networks here, or
// why not: a TAP device is all that it takes.
func ownNetwork() error {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("guests share this host's network: %w", err)
	}
	return f.Close()
}

func nicName(i int) string { return fmt.Sprintf("eth%d", i) }

// openTap makes a TAP device in the network namespace of the calling thread.
func openTap(name string) (*os.File, error) {
	// Not os.OpenFile: the device can be polled only once it has a name.
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tunDevice, Err: err}
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("making the network device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), tunDevice), nil
}

func openTaps(n int) (taps []*os.File, err error) {
	for i := range n {
		tap, err := openTap(nicName(i))
		if err != nil {
			closeFiles(taps)
			return nil, err
		}
		taps = append(taps, tap)
	}
	return taps, nil
}

// openTapsIn makes the devices in the namespace of a process, as root of the
// host: the device file need not be open to the guest.
func openTapsIn(pid, n int) (taps []*os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		var ns *os.File
		if ns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
			return
		}
		defer func() { _ = ns.Close() }()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("entering the guest's network: %w", err)
			return
		}
		taps, err = openTaps(n)
	}()
	<-done
	return taps, err
}

// configureNetwork gives the devices of this network namespace their
// addresses.
func configureNetwork(nics []NIC) error {
	if err := startLoopback(); err != nil {
		return fmt.Errorf("configuring lo: %w", err)
	}
	for i, n := range nics {
		if err := configureNIC(nicName(i), n, i == 0); err != nil {
			return fmt.Errorf("configuring %s: %w", nicName(i), err)
		}
	}
	return nil
}

// startLoopback leaves lo 127.0.0.0/16, which no cloud takes: the seeded
// networks' addresses are in the rest of 127.0.0.0/8, where the host can reach
// them too, and in a guest they are a network's.
func startLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	small, err := netlink.ParseAddr("127.0.0.1/16")
	if err != nil {
		return err
	}
	small.Scope = unix.RT_SCOPE_HOST
	addrs, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	for i := range addrs {
		err = errors.Join(err, netlink.AddrDel(lo, &addrs[i]))
	}
	err = errors.Join(err, netlink.AddrAdd(lo, small))
	for _, name := range []string{"all", "default"} {
		err = errors.Join(err, os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/route_localnet", []byte("1"), 0o600))
	}
	return err
}

func configureNIC(name string, n NIC, first bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return err
	}
	err = errors.Join(netlink.LinkSetHardwareAddr(link, mac), netlink.LinkSetUp(link), netlink.LinkSetMTU(link, n.MTU))
	if err != nil {
		return err
	}
	if !n.Address.IsValid() {
		return nil // a port without an IPv4 address
	}
	addr, err := netlink.ParseAddr(n.Address.String())
	if err != nil {
		return err
	}
	addr.Scope = unix.RT_SCOPE_UNIVERSE
	if err := netlink.AddrAdd(link, addr); err != nil {
		return err
	}
	if n.Gateway.IsValid() && first {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: n.Gateway.AsSlice(), Src: n.Address.Addr().AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("the default route: %w", err)
		}
	}
	return nil
}
