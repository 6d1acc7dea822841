#!/bin/busybox sh
# shellcheck shell=dash
# A whole domain on one machine: an NMM and three nodes, of which the first seals by the TPM device and watches. It is attacked,
# in mode enforce; what follows, to the others' new key, is shown for the test.
# shellcheck source=tests/vm/guest/common.sh
. /common.sh

# settings NAME PORT: what all have
settings() {
  printf '[bus]\naddress = "unix:path=/run/%s"\npolkit = false\n[log]\ntarget = "text"\n' "$1"
  printf '[state]\nfolder = "/tmp/%s"\n[network]\nlisten = "127.0.0.1:%s"\n' "$1" "$2"
}
software='[sealing]\nmode = "software"\n'
# node_settings NAME PORT
node_settings() {
  settings "$1" "$2"
  printf '[data]\nfolder = ""\n[probes]\nconfig_folder = ""\npin_folder = ""\n'
}
{
  settings nmm 7410
  # shellcheck disable=SC2059 # the format is ours
  printf "advertise = [\"127.0.0.1:7410\"]\n[probes]\npin_folder = \"\"\n$software"
} >/nmm.toml
{
  node_settings a 7401
  printf 'check_interval_s = 1\n[sealing]\nmode = "tpm"\ntcti = "device:/dev/tpmrm0"\n'
} >/a.toml
for name in b c; do
  # shellcheck disable=SC2059
  { node_settings $name "740$([ $name = b ] && echo 2 || echo 3)"; printf "enabled = false\n$software"; } >/$name.toml
done
on() {
  bus=$1
  shift
  akmctl --bus "unix:path=/run/$bus" --timeout 120 "$@"
}
# is WHO NAME WORDS: whether the status of the node or NMM has them
is() { on "$1" --json "$2" status 2>/dev/null | grep -q "$3"; }
key_of() { on "$1" --json asr show work 2>/dev/null | sed -n 's/.*"key_check":"\([^"]*\)".*/\1/p'; }
# agreed OLD NAME..: all hold one key, which is not the old one
agreed() {
  old=$1
  first=$(key_of "$2")
  shift
  [ -n "$first" ] && [ "$first" != "$old" ] || return 1
  for name in "$@"; do [ "$(key_of "$name")" = "$first" ] || return 1; done
}
start() {
  akmd --config "/$1.toml" >>"/tmp/$1.log" 2>&1 &
  echo $! >"/run/$1.pid"
}

for name in nmm a b c; do
  mkdir -p /tmp/$name
  sed "s|/run/bus|/run/$name|" /dbus.conf >/run/$name.conf
  dbus-daemon --config-file=/run/$name.conf --fork --nopidfile || failed "bus $name"
done
ls -l /dev/tpmrm0 || failed "no TPM device"
akm-nmmd --config /nmm.toml >/tmp/nmm.log 2>&1 &
for name in a b c; do start $name; done
wait_for 60 is nmm nmm no-root-secret
on nmm nmm init || failed "nmm init"
port=7401
for name in a b c; do
  wait_for 120 is $name node unprovisioned
  on nmm nmm provision $name --bus-address unix:path=/run/$name --endpoint 127.0.0.1:$port || failed "provision $name"
  port=$((port + 1))
done
for name in a b c; do wait_for 120 is $name node '"state":"active"'; done
on nmm asr create work a b c || failed "asr create"
wait_for 120 agreed "" a b c
echo "NODE before $(on a --json node status)"
old=$(key_of b)

echo "NODE again"
kill -9 "$(cat /run/a.pid)"
start a
wait_for 120 is a node '"state":"active"'
wait_for 120 agreed "" a b c
echo "NODE unsealed $(on a --json node status)"
old=$(key_of b)

ring=$(on a --json node status | sed 's/.*"keyring":\([0-9]*\).*/\1/')
on a --json monitor >/tmp/events 2>/dev/null &
sleep 2
for act in ok1-list ok2-status ok10-read d1-read; do
  attack $act "$(cat /run/a.pid)" "$ring" /tmp/a /etc 7401
done
wait_for 60 is a node quarantined
wait_for 120 agreed "$old" b c
echo "NODE after $(on a --json node status)"
echo "NODES $(on nmm --json nmm nodes | tr '\n' ' ')"
grep '"breach-detected"' /tmp/events | sed 's/^/EVENT /'
[ -z "$(key_of a)" ] && echo "NODE a holds no key"
