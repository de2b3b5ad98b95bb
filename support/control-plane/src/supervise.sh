# Runs a server and sees to it that the server ends with the process that asked for it. Standard input is a pipe
# that only that process holds open: the kernel closes it however the process ends, SIGKILL included. Then the
# server is killed and the folder removed. Each server's supervisor removes the folder once its own server is gone,
# so the last of them finds nobody who still writes to it.
#
# Arguments: the folder, then the server's command line. Prints the server's process ID. Standard error is the log.
folder=$1
shift

"$@" </dev/null >&2 &
server=$!
echo "$server"

abandoned() {
  kill -s KILL "$server"
  wait
  rm -rf "$folder"
  exit
}
trap abandoned USR1

# A background list reads from /dev/null unless told otherwise.
exec 3<&0
(
  while read -r _; do :; done
  kill -s USR1 $$
) <&3 &
watcher=$!

wait "$server"
status=$?
kill "$watcher"
exit "$status"
