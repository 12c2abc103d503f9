package posix

// Processes defines the shell functions galley_stats, which prints a line of
// proc(5)'s stat for each process, and galley_tree, which prints the processes
// below each process it is given, but not $galley_me, and that process itself;
// Linux only. Whoever ends them stops them first and lists them again: a process
// whose child has ended may start another one.
//
// A process that ends while it is read is skipped by cat, where sed or grep
// would give up the rest.
const Processes = `
galley_stats() { cat /proc/[0-9]*/stat 2>/dev/null; }
galley_tree() {
while [ $# -gt 0 ]; do
for galley_p in $(galley_stats | sed -n 's/^\([0-9]*\) (.*) [A-Za-z] '"$1"' .*/\1/p'); do
[ "$galley_p" = "${galley_me:-}" ] || (galley_tree "$galley_p")
done
echo "$1"
shift
done
}
`

// Attached returns shell code that runs code, which has no standard input,
// and ends it with everything that it has started as soon as the standard
// input of the session ends: that is, when the connection is cut or the other
// side hangs up. At a terminal the kernel does that by itself. The caller
// keeps standard input open until the command has ended.
//
// What is ended is the session that sshd began for the command, whose leader is
// the login shell; where the command has no session, the processes below it.
// The shell reports nothing about the end of the watch (exec 2>/dev/null).
//
// kill is the command that sends signals, as "kill" or "sudo kill". setup runs
// first and may read from standard input, as [Attached] reads only the rest.
func Attached(setup, code, kill string) string {
	return setup + `
exec 3<&0 </dev/null
if ! [ -t 3 ]; then` + Processes + `galley_leader=$$
galley_session() { sed -n 's/^[0-9]* (.*) [A-Za-z] [0-9]* [0-9]* \([0-9]*\) .*/\1/p' "/proc/$1/stat" 2>/dev/null; }
galley_all() {
galley_s=$(galley_session "$galley_me")
if [ "$galley_s" = "$galley_leader" ] || [ "$galley_s" = "$galley_parent" ]; then
galley_stats | sed -n 's/^\([0-9]*\) (.*) [A-Za-z] [0-9]* [0-9]* '"$galley_s"' .*/\1/p' | grep -vx "$galley_me"
else
galley_tree "$@"
fi
}
galley_parent=$PPID
{
trap '' HUP INT TERM
galley_me=$(exec sh -c 'echo $PPID')
while read -r galley_line <&3; do :; done
galley_list=$(galley_all "$galley_leader")
` + kill + ` -TERM $galley_list
sleep 2
` + kill + ` -STOP $galley_list $(galley_all $galley_list)
` + kill + ` -KILL $galley_list $(galley_all $galley_list)
} >/dev/null 2>&1 &
galley_watch=$!
fi
exec 3<&-
(
` + code + `
)
galley_status=$?
exec 2>/dev/null
[ -z "${galley_watch:-}" ] || kill -KILL "$galley_watch"
exit $galley_status`
}
