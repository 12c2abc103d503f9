package guest

import (
	"fmt"
	"os"
	"path"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// installTools puts sudo, reboot and their like where the guest finds them.
// They are small scripts: sudo goes on to this program, the others signal
// process 1 as systemd's own would.
func (m *machine) installTools() error {
	t := m.fs.tree
	self := m.fs.self
	sudo := []string{self}
	sudo = append(sudo, m.o.Spec.Executable[1:]...)
	sudo = append(sudo, "sudo")
	power := strings.NewReplacer("@REBOOT@", fmt.Sprint(int(sigReboot)), "@OFF@", fmt.Sprint(int(sigPowerOff)),
		"@INIT@", "${"+pidVariable+":-1}", "@UID@", fmt.Sprint(m.fs.uid)).Replace(powerScript)

	scripts := map[string]string{
		"/bin/sudo":       "#!/bin/sh\nexec " + shellescape.QuoteCommand(sudo) + " \"$@\"\n",
		"/sbin/reboot":    power,
		"/sbin/poweroff":  power,
		"/sbin/halt":      power,
		"/sbin/shutdown":  power,
		"/bin/cloud-init": cloudInitScript(m.fs.at("/run/cloud-init")),
	}
	if _, err := os.Stat(t.at("/usr/bin/systemctl")); err == nil {
		scripts["/bin/systemctl"] = power
	}
	if m.fs.root != "" {
		// Without namespaces the host's name is the host's.
		scripts["/bin/hostname"] = "#!/bin/sh\ncase \"$1\" in\n-s|'') exec cut -d. -f1 " + shellescape.Quote(
			t.at("/etc/hostname"),
		) + ";;\n-f|--fqdn) exec cat " +
			shellescape.Quote(
				t.at("/etc/hostname"),
			) + ";;\n*) echo \"hostname: not possible in this guest\" >&2; exit 1;;\nesac\n"
	}
	for name, text := range scripts {
		var dest string
		switch {
		case m.fs.binDir == "":
			dest = path.Join("/usr", name)
		default:
			dest = path.Join(m.fs.binDir, path.Base(name))
		}
		if old, err := t.read(dest); err == nil && string(old) == text {
			continue
		}
		if err := t.write(dest, []byte(text), 0o755); err != nil {
			return fmt.Errorf("installing %s: %w", path.Base(name), err)
		}
	}
	return nil
}

// powerScript is reboot, poweroff, halt, shutdown and systemctl, by its name.
const powerScript = `#!/bin/sh
# Ends or restarts this guest of the embedded cloud.
me=${0##*/}
if [ "$me" = systemctl ]; then
  verb=
  for a in "$@"; do case $a in -*) ;; *) verb=$a; break;; esac; done
  case $verb in
    reboot|poweroff|halt) me=$verb; set --;;
    is-system-running) echo offline; exit 1;;
    *) echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2; exit 1;;
  esac
fi
if [ "$(id -u)" != @UID@ ]; then
  echo "$me: must be superuser." >&2
  exit 1
fi
sig=@OFF@ when=now
[ "$me" = reboot ] && sig=@REBOOT@
for a in "$@"; do
  case $a in
    -r|--reboot) sig=@REBOOT@;;
    -h|-P|-p|-H|--halt|--poweroff) sig=@OFF@;;
    -c) echo "$me: there is no scheduled shutdown to cancel" >&2; exit 1;;
    -*) ;;
    now) when=now;;
    +0) when=now;;
    +*[!0-9]*) echo "$me: bad time: $a" >&2; exit 1;;
    +[0-9]*) when=$((${a#+} * 60));;
    [0-9]*:*) echo "$me: a time of day is not supported in this guest; use +MINUTES" >&2; exit 1;;
  esac
done
if [ "$when" = now ]; then
  kill -$sig @INIT@
else
  echo "Shutdown scheduled in $when seconds."
  (trap '' HUP; sleep "$when"; kill -$sig @INIT@) </dev/null >/dev/null 2>&1 &
fi
`

// cloudInitScript is the part of cloud-init's command that scripts call.
func cloudInitScript(run string) string {
	return strings.ReplaceAll(`#!/bin/sh
# Tells how far this guest's first boot is.
run=@RUN@
case $1 in
status)
  shift
  wait= long=
  for a in "$@"; do
    case $a in
      --wait|-w) wait=1;;
      --long|-l) long=1;;
      *) echo "cloud-init: unknown argument $a" >&2; exit 2;;
    esac
  done
  while [ -n "$wait" ] && [ ! -e $run/result.json ]; do sleep 0.1 2>/dev/null || sleep 1; done
  status=running code=0
  if [ -e $run/result.json ]; then
    status=done
    grep -q '"errors": \[\]' $run/result.json || { status=error code=1; }
  fi
  echo "status: $status"
  if [ -n "$long" ] && [ -e $run/result.json ]; then cat $run/result.json; fi
  exit $code;;
--version|-v)
  echo "cloud-init (embedded cloud)";;
*)
  echo "cloud-init: this guest knows only: cloud-init status [--wait] [--long]" >&2
  exit 2;;
esac
`, "@RUN@", shellescape.Quote(run))
}
