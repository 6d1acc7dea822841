#include "daemon/service/erase_state.h"

#include <algorithm>
#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "daemon/base/erase_file.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/service/machine.h"
#include "daemon/service/pcr_record.h"
#include "daemon/service/startup.h"
#include "keyring/sealed_key.h"
#include "keyring/sealer_factory.h"

namespace akm::service {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarker = "/generalized";
constexpr const char* kAlong = "/along-";
constexpr std::size_t kMarkerBytes = 64;
constexpr std::size_t kAlongBytes = 16384;

/// Without it nobody could tell the next boot from this one.
Result<std::string> boot_id() {
  const auto id = this_machine(0).boot_id;
  if (std::ranges::all_of(id, [](std::uint8_t b) { return b == 0; }))
    return fail(Errc::io_failed, "the boot id of the kernel");
  return hex(id);
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Status remove_files(const std::string& folder, std::size_t& count) {
  std::error_code error;
  std::vector<std::string> paths;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_directory(gone)) paths.push_back(entry->path().string());
  }
  Status first;
  if (error && error != std::errc::no_such_file_or_directory)
    first = fail(Errc::storage_failed, folder + ": " + error.message());
  for (const std::string& path : paths) {
    const Status removed = erase_file(path);
    if (removed) ++count;
    if (!removed && first) first = removed;
  }
  return first;
}

std::string along_path(const Settings& settings, std::string_view name) {
  return settings.state_folder + kAlong + std::string(name);
}

Status leave_behind(const Settings& settings, store::SealedStore& store) {
  for (const std::string_view name : kTakenAlong) {
    const auto record = store.read(name);
    if (!record && record.error().code == Errc::not_found) continue;
    if (!record) return std::unexpected(record.error());
    const auto bytes = record->reveal();
    AKM_TRY(write_file_atomically(along_path(settings, name), bytes, 0600));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> erase_state(const Settings& settings, store::SealedStore& store, bool mark) {
  std::vector<std::string> gone;
  Status first;
  const auto note = [&first](const Status& status) {
    if (first && !status) first = status;
    return status.has_value();
  };
  std::string marker;
  if (mark) {
    AKM_ASSIGN(marker, boot_id());  // before anything is gone
  }
  if (!mark) note(leave_behind(settings, store));
  // The marker first: an image that is taken after a crash here has no identity, whatever else is in it.
  if (mark) note(write_file_atomically(settings.state_folder + kMarker, bytes_of(marker + "\n"), 0600));
  std::size_t records = 0;
  if (note(remove_files(records_folder(settings), records)))
    gone.push_back("records:" + std::to_string(records));
  // Before what may take long or fail: without it nothing opens. A token is found by what stands in it.
  const std::string sealed_key = settings.state_folder + "/" + keyring::kSealedKeyFile;
  const bool by_token = settings.sealing == SealingChoice::token;
  if (!by_token) note(erase_file(sealed_key));
  auto sealer = keyring::make_sealer(sealer_options(settings));
  if (sealer) {
    auto erased = (*sealer)->erase();
    if (erased) gone.insert(gone.end(), erased->begin(), erased->end());
    if (!erased) note(std::unexpected(erased.error()));
  } else {
    note(std::unexpected(sealer.error()));
  }
  note(erase_file(settings.state_folder + "/" + keyring::kReplacedKeyFile));
  if (note(erase_file(sealed_key))) gone.emplace_back("sealed-storage-key");
  if (!first) return std::unexpected(first.error());
  return gone;
}

Status take_off_mark(const Settings& settings) {
  const std::string path = settings.state_folder + kMarker;
  const auto marker = read_file(path, kMarkerBytes);
  if (!marker && marker.error().code == Errc::not_found) return {};
  if (!marker) return std::unexpected(marker.error());
  const std::string text(marker->begin(), marker->end());
  AKM_ASSIGN(const std::string present, boot_id());
  if (text == present + "\n") {
    return fail(
        Errc::wrong_state,
        "this machine was generalized (akmctl node generalize): take the image now; the next start of "
        "the machine, or of one made from the image, has an identity of its own. To go on with this "
        "one without that, remove " +
            path + " and restart");
  }
  // Whatever lies beside the marker was left by a crash and belongs to the image.
  std::size_t count = 0;
  AKM_TRY(remove_files(records_folder(settings), count));
  AKM_TRY(erase_file(settings.state_folder + "/" + keyring::kReplacedKeyFile));
  AKM_TRY(erase_file(settings.state_folder + "/" + keyring::kSealedKeyFile));
  log::write(log::Level::notice, {},
             "This machine comes from a golden image: it takes an identity of its own");
  return erase_file(path);
}

Status take_up_records(const Settings& settings, store::SealedStore& store) {
  for (const std::string_view name : kTakenAlong) {
    const std::string path = along_path(settings, name);
    const auto bytes = read_file(path, kAlongBytes);
    if (!bytes && bytes.error().code == Errc::not_found) continue;
    if (!bytes) return std::unexpected(bytes.error());
    const auto known = store.read(name);
    if (!known && known.error().code == Errc::not_found) AKM_TRY(store.write(name, *bytes));
    AKM_TRY(erase_file(path));
  }
  return {};
}

}  // namespace akm::service
