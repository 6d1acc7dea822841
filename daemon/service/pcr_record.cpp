#include "daemon/service/pcr_record.h"

#include <array>

#include "daemon/base/cursor.h"
#include "keyring/sealed_blob.h"

namespace akm::service {
namespace {

constexpr std::string_view kPcrRecord = "sealed-to-pcrs";
constexpr std::size_t kPcrRecordBytes = 4;

// 0 when there is none: it asks for nothing.
Result<std::uint32_t> recorded(store::SealedStore& store) {
  const auto record = store.read(kPcrRecord);
  if (record && record->size() == kPcrRecordBytes) {
    Reader reader(record->reveal());
    return reader.u32();
  }
  if (!record && record.error().code == Errc::not_found) return 0U;
  if (!record && record.error().code != Errc::state_corrupt) return std::unexpected(record.error());
  // It guards against a file: whoever can damage the record could also remove it.
  (void)store.set_aside(kPcrRecord);
  return 0U;
}

Status write(store::SealedStore& store, std::uint32_t mask) {
  std::array<std::uint8_t, kPcrRecordBytes> bytes{};
  Writer writer(bytes);
  writer.u32(mask);
  return store.write(kPcrRecord, writer.written());
}

}  // namespace

std::string records_folder(const Settings& settings) {
  return settings.state_folder + "/records";
}

std::string pcr_list(std::uint32_t mask) {
  std::string out;
  for (std::uint32_t pcr = 0; pcr < keyring::kPcrCount; ++pcr) {
    if ((mask >> pcr & 1) != 0) out += (out.empty() ? "" : ", ") + std::to_string(pcr);
  }
  return out;
}

Status check_pcrs(store::SealedStore& store, std::uint32_t sealed) {
  AKM_ASSIGN(const std::uint32_t asked, recorded(store));
  if ((asked & ~sealed) != 0) {
    return fail(Errc::sealed_unavailable,
                "kek.sealed is sealed " + (sealed == 0 ? "to no PCR" : "to PCR " + pcr_list(sealed)) +
                    ", and this state was sealed to PCR " + pcr_list(asked) +
                    ": an older copy was put back. Look at who did, and put the newest kek.sealed back; "
                    "or, if this one is yours, run akmctl node reseal (akmctl nmm reseal); or zeroize and "
                    "provision anew");
  }
  return note_pcrs(store, sealed);
}

Status lower_pcrs(store::SealedStore& store, std::uint32_t wanted) {
  AKM_ASSIGN(const std::uint32_t asked, recorded(store));
  return note_pcrs(store, asked & wanted);
}

Status note_pcrs(store::SealedStore& store, std::uint32_t sealed) {
  AKM_ASSIGN(const std::uint32_t asked, recorded(store));
  return asked == sealed ? Status{} : write(store, sealed);
}

}  // namespace akm::service
