package guest

import (
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// The codes of RFC 4254, section 8, in their order.
var (
	modeChars = map[uint8]int{
		ssh.VINTR: unix.VINTR, ssh.VQUIT: unix.VQUIT, ssh.VERASE: unix.VERASE, ssh.VKILL: unix.VKILL, ssh.VEOF: unix.VEOF,
		ssh.VEOL: unix.VEOL, ssh.VEOL2: unix.VEOL2, ssh.VSTART: unix.VSTART, ssh.VSTOP: unix.VSTOP, ssh.VSUSP: unix.VSUSP,
		ssh.VREPRINT: unix.VREPRINT, ssh.VWERASE: unix.VWERASE, ssh.VLNEXT: unix.VLNEXT, ssh.VDISCARD: unix.VDISCARD,
	}
	inputModes = []uint32{ // from IGNPAR
		unix.IGNPAR, unix.PARMRK, unix.INPCK, unix.ISTRIP, unix.INLCR, unix.IGNCR, unix.ICRNL, unix.IUCLC, unix.IXON,
		unix.IXANY, unix.IXOFF, unix.IMAXBEL, unix.IUTF8,
	}
	localModes = []uint32{ // from ISIG
		unix.ISIG, unix.ICANON, unix.XCASE, unix.ECHO, unix.ECHOE, unix.ECHOK, unix.ECHONL, unix.NOFLSH, unix.TOSTOP,
		unix.IEXTEN, unix.ECHOCTL, unix.ECHOKE, unix.PENDIN,
	}
	outputModes = []uint32{ // from OPOST
		unix.OPOST, unix.OLCUC, unix.ONLCR, unix.OCRNL, unix.ONOCR, unix.ONLRET,
	}
)

// applyModes sets up a terminal as the client's is.
func applyModes(tty *os.File, modes map[uint8]uint32) {
	fd := int(tty.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	for code, i := range modeChars {
		if v, ok := modes[code]; ok {
			t.Cc[i] = uint8(v)
			if v == 255 { // none
				t.Cc[i] = 0
			}
		}
	}
	apply := func(word *uint32, first uint8, bits []uint32) {
		for i, bit := range bits {
			switch v, ok := modes[first+uint8(i)]; {
			case ok && v != 0:
				*word |= bit
			case ok:
				*word &^= bit
			}
		}
	}
	apply(&t.Iflag, ssh.IGNPAR, inputModes)
	apply(&t.Lflag, ssh.ISIG, localModes)
	apply(&t.Oflag, ssh.OPOST, outputModes)
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
