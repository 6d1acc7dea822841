// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
// The sensor: one object, one signal a file. Programs of the tracepoint tier tell; those of the LSM tier are
// asked first and can deny. What each cannot see is said in docs/detections.md. Arguments that are numbers
// cannot change under us; paths and other user memory can, which is why opened files are judged by the
// object, at the end of the call, and the folders are watched by fanotify too.
// clang-format off
#include "bpf/programs/akm_common.bpf.h"
#include <linux/keyctl.h>
#include "bpf/programs/heartbeat.bpf.h"
#include "bpf/programs/keys.bpf.h"
#include "bpf/programs/process.bpf.h"
#include "bpf/programs/folders.bpf.h"
#include "bpf/programs/files.bpf.h"
#include "bpf/programs/mounts.bpf.h"
#include "bpf/programs/kernel_code.bpf.h"
#include "bpf/programs/bpf_use.bpf.h"
#include "bpf/programs/signals.bpf.h"
#include "bpf/programs/capabilities.bpf.h"
#include "bpf/programs/exec.bpf.h"
#include "bpf/programs/sockets.bpf.h"
#include "bpf/programs/io_uring.bpf.h"
#include "bpf/programs/clock.bpf.h"
#include "bpf/programs/logs.bpf.h"
// clang-format on

char LICENSE[] SEC("license") = "Dual BSD/GPL";
