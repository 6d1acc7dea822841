#!/bin/busybox sh
# shellcheck shell=dash
# The BPF test programs, then every act of tests/attacks against a node, on this kernel with this list of LSMs.
# shellcheck source=tests/vm/guest/common.sh
. /common.sh

load_programs /akm_probes.bpf.o
echo "LOAD exit $?"
for program in /bin/test_bpf_*; do
  echo "TEST begin ${program##*/}"
  timeout 300 "$program"
  echo "TEST end ${program##*/} $?"
done
mkdir -p /tmp/attacks /etc
sh /attacks.sh /tmp/attacks disposable
echo "ATTACKS exit $?"
