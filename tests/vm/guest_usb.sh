#!/bin/busybox sh
# shellcheck shell=dash
# Runs as init of the guest: NMM and node on one machine, a USB stick between them. What it says on the console is for the host:
# UNPLUG and PLUG ask for that, RESULT is for the test.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /run /tmp/nmm /tmp/node
exec >/dev/ttyS0 2>&1
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up

# wait_for SECONDS COMMAND..: until the command succeeds.
wait_for() {
  left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "RESULT failed: waited in vain for: $*"; tail -n 20 /tmp/*.log; poweroff -f; }
    sleep 1
  done
}
ctl() { akmctl --bus unix:path=/run/bus --timeout 120 "$@"; }
has() { ctl --json "$1" status | grep -q "$2"; }
failed() { echo "RESULT failed: $*"; tail -n 20 /tmp/*.log; poweroff -f; }

dbus-daemon --config-file=/dbus.conf --fork --nopidfile || failed dbus-daemon
akm-nmmd --config /nmm.toml >/tmp/nmm.log 2>&1 &
akmd --config /node.toml >/tmp/node.log 2>&1 &
wait_for 60 has node unprovisioned
wait_for 60 has nmm no-root-secret
ctl nmm init || failed "nmm init"
wait_for 60 test -b /dev/sda
echo "RESULT removable $(cat /sys/block/sda/removable)"
ctl nmm drives
ctl --json nmm drives | grep -q '"filesystem":"vfat"' || failed "the drive is not listed"
value=$(ctl --json node identity | sed 's/.*"value":"\([0-9a-f]*\)".*/\1/')
ctl --json nmm bundle a --hardware-value "$value" --endpoint 127.0.0.1:7400 --to /dev/sda >/tmp/made || failed "nmm bundle"
sed 's/.*"code":"\([^"]*\)".*/\1/' /tmp/made >/tmp/code
grep -q sda /proc/mounts && failed "a mount was left"

echo UNPLUG
wait_for 60 test ! -b /dev/sda
echo PLUG
wait_for 60 test -b /dev/sda
wait_for 60 has node a.akmbundle
ctl node status
echo 00000-00000-00000-00000 | ctl node provision --from /dev/sda --code-file - && failed "a wrong code opens it"
sleep 2
ctl node provision --from /dev/sda --code-file /tmp/code || failed "node provision"
wait_for 120 has node '"state":"active"'
grep -q sda /proc/mounts && failed "a mount was left"
echo "RESULT active"
poweroff -f
