#pragma once
// The response hook: a program of the machine's owner, run with the ids of a detection. Not on the loop
// thread.
#include <map>
#include <string>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"

namespace akm::service {

/// The program and each folder above it belong to root and nobody else may write to them; it is a regular
/// file that can be executed. refused_by_policy with what is wrong; io_failed.
Status check_hook(const std::string& program);

/// Runs it in a child: no shell, no arguments, no descriptor but /dev/null, a session keyring of its own
/// (ours holds the keys), the folder /, `environment` and nothing else. Waits for its end; after `timeout` it
/// is killed with its process group. timed_out; io_failed with its exit status; refused_by_policy.
Status run_hook(const std::string& program, const std::map<std::string, std::string>& environment,
                Duration timeout);

}  // namespace akm::service
