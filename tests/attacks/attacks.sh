#!/bin/sh
# attacks.sh FOLDER [etc|disposable]: a node of its own, in mode observe, and every act of `attack list` against it. FOLDER is empty
# and becomes state, configuration and logs; the programs are on the PATH. Run by the tests in namespaces of their own, and in a
# guest. etc: /etc is a copy; disposable: so is the machine. Says, for results.py: PROBE what is watched and how, ACT what was done, LOG what the node made of it.
set -u
work=$1
place=${2:-anywhere}
# What the gate has counted is judged once a minute: D26 and D27 are not done where nobody has that time.
minute=${AKM_ATTACK_MINUTE:-}
[ "$place" != disposable ] || minute=yes
bus=unix:path=$work/bus
port=7400
mkdir -p "$work/state" "$work/etc" "$work/nmm"

ctl() { akmctl --bus "$bus" --timeout 120 "$@"; }
failed() {
  echo "FAILED $*"
  tail -n 8 "$work"/*.log
  stop
  exit 1
}
started=
stop() {
  [ -z "$pins" ] || umount -l "$work/bpf"
  for process in $started; do kill "$process"; done
  wait
}
# wait_for WORDS WHO: until `akmctl WHO status` has them.
wait_for() {
  left=240
  until ctl --json "$2" status 2>/dev/null | grep -q "$1"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || failed "in vain: $1 of $2"
    sleep 0.5
  done
}
# settings FOLDER PORT
settings() {
  printf '[sealing]\nmode = "software"\n[bus]\naddress = "%s"\npolkit = false\n[log]\ntarget = "text"\n' "$bus"
  printf '[state]\nfolder = "%s"\n[network]\nlisten = "127.0.0.1:%s"\n' "$work/$1" "$2"
}

# The sensor's pins are part of what is attacked, where there is a bpffs for them.
pins=
mkdir -p "$work/bpf"
if mount -t bpf none "$work/bpf" 2>/dev/null; then pins=$work/bpf/akm; fi
export AKM_ATTACK_PINS="$pins" AKM_ATTACK_TAMPER="$work/case"
[ -n "$pins" ] || unset AKM_ATTACK_PINS

sed "s|unix:path=[^<]*|$bus|" "${AKM_ATTACK_BUS:-/dbus.conf}" >"$work/dbus.conf"
bus_pid=$(dbus-daemon --config-file="$work/dbus.conf" --fork --nopidfile --print-pid) || failed "no bus"
started=$bus_pid
{ settings nmm 7401; printf 'advertise = ["127.0.0.1:7401"]\n[probes]\npin_folder = ""\n'; } >"$work/nmm.toml"
{
  settings state "$port"
  printf '[data]\nfolder = ""\n[policy]\nfile = "%s"\n' "$work/policy.toml"
  printf '[watch]\ninterval_s = 5\ntamper_inputs = ["%s"]\n' "$work/case"
  printf '[probes]\ncheck_interval_s = 1\nconfig_folder = "%s"\n' "$work/etc"
  printf 'pin_folder = "%s"\n' "$pins"
} >"$work/node.toml"
# It says what it sees and answers nothing: the next act finds the same node.
printf '[policy]\nmode = "observe"\n' >"$work/policy.toml"
echo 0 >"$work/case"
cp "$work/node.toml" "$work/etc/akmd.toml"
akm-nmmd --config "$work/nmm.toml" >"$work/nmm.log" 2>&1 &
started="$! $started"
akmd --config "$work/node.toml" >"$work/node.log" 2>&1 &
node=$!
started="$node $started"
wait_for unprovisioned node
wait_for no-root-secret nmm
ctl nmm init >/dev/null || failed "nmm init"
value=$(ctl --json node identity | sed 's/.*"value":"\([0-9a-f]*\)".*/\1/')
ctl --json nmm bundle a --hardware-value "$value" --endpoint "127.0.0.1:$port" --to "$work" >"$work/made" || failed "bundle"
sed 's/.*"code":"\([^"]*\)".*/\1/' "$work/made" >"$work/code"
ctl node provision --from "$work" --code-file "$work/code" >/dev/null || failed "provision"
wait_for '"state":"active"' node

status=$(ctl --json node status)
echo "STATUS $status"
ring=$(echo "$status" | sed 's/.*"keyring":\([0-9]*\).*/\1/')
sleep 2
for act in $(attack list | awk -v p="$place" '$5 == "anywhere" || $5 == p || p == "disposable" { print $1 }'); do
  case $act in d26-* | d27-*) [ -n "$minute" ] || continue ;; esac
  said=$(attack "$act" "$node" "$ring" "$work/state" "$work/etc" "$port")
  echo "${said:-ACT ? ? ? $act 0 died}"
done
# What waits in the ring is read with the next heartbeat of the sensor, and the machine is compared every 5 s.
sleep 8
left=60
while [ -n "$minute" ] && [ "$left" -gt 0 ] && ! grep -q 'AKM_CLASS=forged-frames' "$work/node.log"; do
  left=$((left - 1))
  sleep 1
done
echo "STATUS $(ctl --json node status)"
grep 'AKM_CLASS=' "$work/node.log" | sed 's/^/LOG /'
stop
echo "ATTACKS over"
