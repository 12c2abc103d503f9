package guest

import (
	"os"

	"golang.org/x/sys/unix"
)

// applyModes sets up a terminal as the client's is (RFC 4254, section 8).
func applyModes(tty *os.File, modes []byte) {
	fd := int(tty.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	chars := map[byte]int{
		1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2,
		8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT, 18: unix.VDISCARD,
	}
	flags := map[byte]struct {
		word *uint32
		bit  uint32
	}{
		30: {
			&t.Iflag,
			unix.IGNPAR,
		}, 31: {&t.Iflag, unix.PARMRK}, 32: {&t.Iflag, unix.INPCK}, 33: {&t.Iflag, unix.ISTRIP},
		34: {
			&t.Iflag,
			unix.INLCR,
		}, 35: {&t.Iflag, unix.IGNCR}, 36: {&t.Iflag, unix.ICRNL}, 37: {&t.Iflag, unix.IUCLC},
		38: {
			&t.Iflag,
			unix.IXON,
		}, 39: {&t.Iflag, unix.IXANY}, 40: {&t.Iflag, unix.IXOFF}, 41: {&t.Iflag, unix.IMAXBEL},
		42: {&t.Iflag, unix.IUTF8},
		50: {&t.Lflag, unix.ISIG}, 51: {&t.Lflag, unix.ICANON}, 53: {&t.Lflag, unix.ECHO}, 54: {&t.Lflag, unix.ECHOE},
		55: {
			&t.Lflag,
			unix.ECHOK,
		}, 56: {&t.Lflag, unix.ECHONL}, 57: {&t.Lflag, unix.NOFLSH}, 58: {&t.Lflag, unix.TOSTOP},
		59: {
			&t.Lflag,
			unix.IEXTEN,
		}, 60: {&t.Lflag, unix.ECHOCTL}, 61: {&t.Lflag, unix.ECHOKE}, 62: {&t.Lflag, unix.PENDIN},
		70: {
			&t.Oflag,
			unix.OPOST,
		}, 71: {&t.Oflag, unix.OLCUC}, 72: {&t.Oflag, unix.ONLCR}, 73: {&t.Oflag, unix.OCRNL},
		74: {&t.Oflag, unix.ONOCR}, 75: {&t.Oflag, unix.ONLRET},
	}
	for code, value := range modeList(modes) {
		if i, ok := chars[code]; ok {
			t.Cc[i] = uint8(value) // 255 is "none" in the protocol
			if value == 255 {
				t.Cc[i] = 0
			}
		}
		if f, ok := flags[code]; ok {
			if value != 0 {
				*f.word |= f.bit
			} else {
				*f.word &^= f.bit
			}
		}
	}
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
