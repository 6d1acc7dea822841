#pragma once
// What only the environment at the start of a program can ask of the dynamic loader and of malloc.
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace akm {

/// `environment` with what is missing in it; nothing when it has all:
/// - LD_BIND_NOW. A library that is bound lazily resolves a function at its first call, and the resolver
/// saves the
///   vector registers on the stack, with whatever was copied last: the key that was being decoded stayed
///   there.
/// - glibc.malloc.tcache_count=0 in GLIBC_TUNABLES. The thread cache is exempt from the overwriting of freed
/// memory.
std::optional<std::vector<std::string>> complete_environment(std::vector<std::string> environment);

/// Starts this program anew, in the same process, unless its environment has what complete_environment()
/// wants. The first call of main. A unit that sets both variables saves the second start. internal when that
/// cannot be done.
Status settle_environment(char** argv);

/// Starts this program anew with the arguments that settle_environment() was given. Returns only on failure.
Status start_anew();

}  // namespace akm
