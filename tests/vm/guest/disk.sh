#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest that has a system on its disk: loads what the disk needs and hands over to that system's init.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mkdir -p /disk
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ]; do usleep 20000; done
mount -t ext4 /dev/vda /disk || exec sh
mount --move /dev /disk/dev
umount /sys /proc
exec switch_root /disk /sbin/init
