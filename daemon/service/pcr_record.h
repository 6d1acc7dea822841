#pragma once
// To which PCRs the storage key was sealed, as a record under that key: an older kek.sealed, which asks for
// less, is told from the present one.
#include <cstdint>
#include <string>

#include "daemon/base/result.h"
#include "daemon/service/settings.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

/// Of a state: beside the sealed storage key and what the software sealer keeps.
std::string records_folder(const Settings& settings);
/// "7, 11"
std::string pcr_list(std::uint32_t mask);

/// At a start: sealed_unavailable where the key that opened is sealed to fewer PCRs than the record says.
/// What is sealed to more, and a first start, is recorded. A damaged record is set aside and written anew.
Status check_pcrs(store::SealedStore& store, std::uint32_t sealed);
/// Before the key is sealed anew by an operator: the record asks for nothing that `wanted` does not have.
Status lower_pcrs(store::SealedStore& store, std::uint32_t wanted);
/// After it.
Status note_pcrs(store::SealedStore& store, std::uint32_t sealed);

}  // namespace akm::service
