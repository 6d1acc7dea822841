# shellcheck shell=dash
# What the guests' scripts share; to be sourced. A line that begins with RESULT is for the test on the host.
failed() { echo "RESULT failed: $*"; tail -n 20 /tmp/*.log; poweroff -f; }

# wait_for SECONDS COMMAND..: until the command succeeds.
wait_for() {
  left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || failed "waited in vain for: $*"
    sleep 1
  done
}
ctl() { akmctl --bus unix:path=/run/bus --timeout 120 "$@"; }
has() { ctl --json "$1" status 2>/dev/null | grep -q "$2"; }
