# Runs the operator and sees to it that it ends with the demo. Standard input is a pipe that only the demo holds
# open: the kernel closes it however the demo ends, SIGKILL included. Then the operator gets SIGTERM.
"$@" </dev/null &
operator=$!

# A background list reads from /dev/null unless told otherwise.
exec 3<&0
(
  while read -r _; do :; done
  kill "$operator"
) <&3 &
guard=$!

wait "$operator"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
