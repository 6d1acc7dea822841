#!/bin/busybox sh
# shellcheck shell=dash
# What the sensor says of itself as the kernel gives it less and less: each stage starts the node anew and shows its probes.
# shellcheck source=tests/vm/guest/common.sh
. /common.sh

cat >/node.toml <<'T'
[sealing]
mode = "software"
[bus]
address = "unix:path=/run/bus"
polkit = false
[log]
target = "text"
[state]
folder = "/tmp/node"
[network]
listen = "127.0.0.1:7400"
[data]
folder = ""
[probes]
config_folder = ""
pin_folder = ""
T
dbus-daemon --config-file=/dbus.conf --fork --nopidfile || failed dbus-daemon

# stage NAME: the status that akmd has now.
stage() {
  akmd --config /node.toml >/tmp/node.log 2>&1 &
  node=$!
  wait_for 60 has node unprovisioned
  echo "STAGE $1 $(ctl --json node status)"
  kill "$node"
  wait "$node"
}

stage plain
mount -t tmpfs none /sys/kernel/btf && stage no-btf
umount /sys/kernel/btf
for mode in integrity confidentiality; do
  if echo "$mode" >/sys/kernel/security/lockdown; then stage "$mode"; else echo "STAGE $mode {}"; fi
done
