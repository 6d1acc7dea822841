#pragma once
// The number of the form of a state folder as a whole. Single records skip what they do not know, so that a
// program could read a later state and lose half of it: the number is looked at before anything else, and a
// state of a later one is left as it is.
#include <cstdint>
#include <functional>
#include <span>

#include "daemon/base/result.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

/// From a state of the number before to the next one. A crash may have it done once more.
using FormatStep = std::function<Status(store::SealedStore&)>;

/// 1: without a number. 2: with one; relationships of an NMM may be unconfirmed.
std::span<const FormatStep> state_steps();

/// Takes the state to the number that this program knows (1 and one for each step), writing nothing where it
/// has it. newer_version: nothing was read but the number, and nothing written; state_corrupt, errors of the
/// store.
Status migrate_state(store::SealedStore& store, std::span<const FormatStep> steps = state_steps());

}  // namespace akm::service
