#pragma once
// How the Root's role asks its database: beside the loop, in order.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/store/config_database.h"

namespace akm::root {

/// Runs where the database is; what it returns runs on the loop afterwards (it may be empty). The error says
/// why there is no database to ask (busy: too many wait; unreachable): each job is run once in any case.
using DatabaseJob =
    std::move_only_function<std::move_only_function<void()>(Result<store::ConfigDatabase*> database)>;
using AskDatabase = std::function<void(DatabaseJob job)>;

/// As the last job found it.
struct DatabaseState {
  std::string description;       // empty until it was open
  std::uint64_t revision = 0;    // of the configuration
  std::uint64_t pruned_to = 0;   // of its history
  std::optional<Error> failure;  // why it is not open, or not reached
};

}  // namespace akm::root
