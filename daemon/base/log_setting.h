#pragma once
// What of the log is in force, and what of it changes while a daemon runs (org.freedesktop.LogControl1). In
// log.cpp.
#include "daemon/base/log.h"

namespace akm::log {

/// As open() was given them, with the level that is in force.
Options options();
/// Whether records go to the journal: of Target::automatic only open() finds it out.
bool in_journal();
void set_level(Level level);
/// Whether a record of that level is written: for what costs something to put together.
bool wants(Level level);

}  // namespace akm::log
