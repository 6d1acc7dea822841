#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest: mounts what a system has, loads the modules, and runs /script with its output on the second
# serial port. A script that ends without a word of its own is seen by its last line.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t securityfs none /sys/kernel/security
mount -t bpf none /sys/fs/bpf
mkdir -p /var /tmp/nmm /tmp/node
ln -s /run /var/run
# No echo and no signals: the port carries what the script says, and nothing else.
stty -F /dev/ttyS1 raw -echo 115200
exec >/dev/ttyS1 2>&1 </dev/null
echo "GUEST up $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s: $(cat /sys/kernel/security/lsm 2>&1)"
if [ -e /modules/order ]; then
  while read -r module; do insmod "/modules/$module" || echo "GUEST no $module"; done </modules/order
fi
ip link set lo up
sh /script
echo "GUEST ended $? after $(cut -d' ' -f1 /proc/uptime) s"
poweroff -f
