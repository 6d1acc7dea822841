#!/bin/busybox sh
# shellcheck shell=dash
# NMM and node on one machine, a USB stick between them. What it says is for the host:
# UNPLUG and PLUG ask for that, RESULT is for the test.
# shellcheck source=tests/vm/guest/common.sh
. /common.sh

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

# From now on nobody expects a device. USB WORD asks the host for it; the node says what it makes of it.
told() { grep 'AKM_CLASS=usb-insertion' /tmp/node.log | grep -c 'AKM_GRADE=evidence'; }
more_than() { [ "$(told)" -gt "$1" ]; }
devices() {
  count=0
  for device in /sys/bus/usb/devices/*-*; do [ ! -e "$device/idVendor" ] || count=$((count + 1)); done
  echo "$count"
}
more_devices_than() { [ "$(devices)" -gt "$1" ]; }
before=$(told)
there=$(devices)
echo "USB hub"
wait_for 60 more_devices_than "$there"
sleep 3
[ "$(told)" = "$before" ] || failed "a hub alone was told"
echo "RESULT hub silent"
for device in keyboard mouse stick; do
  before=$(told)
  echo "USB $device"
  wait_for 60 more_than "$before"
  echo "RESULT $device told"
done
poweroff -f
