# Runs a program and sees to it that it ends with the process that asked for it. Standard input is a pipe that only that
# process holds open: the kernel closes it however the process ends, SIGKILL included. Then the program gets SIGTERM.
# Prints the program's process ID; standard error is the log.
"$@" </dev/null >&2 &
program=$!
echo "$program"

# A background list reads from /dev/null unless told otherwise.
exec 3<&0
(
  while read -r _; do :; done
  kill "$program"
) <&3 &
guard=$!

wait "$program"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
