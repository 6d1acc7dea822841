#include "daemon/service/erase_state.h"

#include <algorithm>
#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "daemon/base/erase_file.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/service/machine.h"
#include "daemon/service/patience.h"
#include "daemon/service/pcr_record.h"
#include "daemon/service/startup.h"
#include "keyring/sealed_blob.h"
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
  AKM_ASSIGN(const auto id, read_boot_id());
  return hex(id);
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool any_name(std::string_view) {
  return true;
}

/// Those whose names `which` accepts.
Status remove_files(const std::string& folder, std::size_t& count,
                    bool (*which)(std::string_view) = any_name) {
  std::error_code error;
  std::vector<std::string> paths;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_directory(gone) && which(entry->path().filename().string()))
      paths.push_back(entry->path().string());
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

using Names = Result<std::vector<std::string>>;

/// A module or a driver may never answer.
Names erase_in_element(const Settings& settings, std::vector<std::uint8_t> blob, Duration patience) {
  AKM_ASSIGN(const auto answer,
             Awaited<Names>::start([options = sealer_options(settings), blob = std::move(blob)]() -> Names {
               AKM_ASSIGN(const auto sealer, keyring::make_sealer(options));
               return sealer->erase(blob);
             }));
  if (auto names = answer->wait_for(patience)) return *std::move(names);
  return fail(Errc::timed_out,
              "the TPM or token does not answer; what it keeps of this state opens nothing any more");
}

class Eraser {
 public:
  Eraser(const Settings& settings, Erased& out) : settings_(settings), out_(out) {}

  bool note(std::string name, const Status& status) {
    if (status) return true;
    if (out_.first) out_.first = status;
    out_.failed.push_back(std::move(name));
    return false;
  }
  void records() {
    std::size_t count = 0;
    const Status removed = remove_files(records_folder(settings_), count);
    if (note("records", removed)) out_.gone.push_back("records:" + std::to_string(count));
  }
  /// Under the lock: a reseal that is under way finds no file to put another in the place of.
  void sealed_key() {
    const auto lock = keyring::lock_sealed_key(settings_.state_folder);
    if (!lock) note("lock", std::unexpected(lock.error()));
    const std::string& folder = settings_.state_folder;
    Status first = erase_file(folder + "/" + keyring::kSealedKeyFile);
    std::size_t count = 0;
    // A program that was killed while it sealed the key anew has left a copy.
    for (const Status& status : {erase_file(folder + "/" + keyring::kReplacedKeyFile),
                                 remove_files(folder, count, is_temporary_file_name)}) {
      if (first) first = status;
    }
    if (note("sealed-storage-key", first)) out_.gone.emplace_back("sealed-storage-key");
  }
  void element(std::vector<std::uint8_t> blob, Duration patience) {
    auto names = erase_in_element(settings_, std::move(blob), patience);
    if (!names) note("secure-element", std::unexpected(names.error()));
    if (names) out_.gone.insert(out_.gone.end(), names->begin(), names->end());
  }

 private:
  const Settings& settings_;
  Erased& out_;
};

}  // namespace

Erased erase_state(const Settings& settings, store::SealedStore& store, bool mark, Duration patience) {
  Erased out;
  Eraser eraser(settings, out);
  if (mark) {
    const auto marker = boot_id();
    // Before anything is gone. The marker first: an image that is taken after a crash here has no identity,
    // whatever else is in it.
    if (!eraser.note("marker", marker ? Status{} : std::unexpected(marker.error()))) return out;
    const Status marked =
        write_file_atomically(settings.state_folder + kMarker, bytes_of(*marker + "\n"), 0600);
    if (!eraser.note("marker", marked)) return out;  // else the image would make an identity of its own
  } else {
    eraser.note("used-bundles", leave_behind(settings, store));
  }
  store.forget();
  // A token finds by it what is its own.
  const auto blob =
      read_file(settings.state_folder + "/" + keyring::kSealedKeyFile, keyring::kSealedBlobMaxBytes);
  eraser.records();
  // Before what may take long or fail: without it nothing opens.
  eraser.sealed_key();
  eraser.element(blob.value_or(std::vector<std::uint8_t>{}), patience);
  return out;
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
