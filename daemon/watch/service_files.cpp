#include "daemon/watch/service_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/watch/audit_state.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

constexpr std::size_t kEntriesMax = 4096;  // of one folder

/// A folder, and how names in it begin that count; an empty one counts all.
struct Place {
  const char* folder;
  const char* prefix;
};
constexpr auto kPlaces = std::to_array<Place>({
    {"/etc/systemd/system", "akm"},
    {"/etc/systemd/system.control", "akm"},
    {"/run/systemd/system", "akm"},
    {"/run/systemd/system.control", "akm"},
    {"/run/systemd/transient", "akm"},
    {"/usr/local/lib/systemd/system", "akm"},
    {"/usr/lib/systemd/system", "akm"},
    {"/etc/systemd/system/service.d", ""},
    {"/run/systemd/system/service.d", ""},
    {"/usr/local/lib/systemd/system/service.d", ""},
    {"/usr/lib/systemd/system/service.d", ""},
    {"/etc/systemd/system.conf.d", ""},
    {"/run/systemd/system.conf.d", ""},
    {"/usr/lib/systemd/system.conf.d", ""},
    {"/etc/systemd/system-generators", ""},
    {"/run/systemd/system-generators", ""},
    {"/usr/local/lib/systemd/system-generators", ""},
    {"/usr/lib/systemd/system-generators", ""},
    {"/etc/polkit-1/rules.d", ""},
    {"/usr/share/polkit-1/rules.d", ""},
    {"/usr/share/polkit-1/actions", "org.akm."},
    {"/etc/dbus-1/system.d", "org.akm."},
    {"/usr/share/dbus-1/system.d", "org.akm."},
    {"/usr/share/dbus-1/system-services", "org.akm."},
});

std::string content_of(const std::string& path) {
  if (const auto target = read_link(path))
    return *target == "/dev/null" ? "masked (-> /dev/null)" : "-> " + *target;
  const auto text = read_system_file(path);
  if (!text) return "unreadable";
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
  return "sha256 " + hex(crypto::sha256({bytes}));
}

/// What is in the folder itself, and in drop-in folders one below.
void add_folder(Facts& facts, const std::string& root, const std::string& folder, const std::string& prefix,
                bool drop_ins) {
  std::error_code error;
  std::filesystem::directory_iterator at(root + folder, error);
  for (std::size_t left = kEntriesMax; !error && at != std::filesystem::directory_iterator() && left > 0;
       --left) {
    const std::string name = at->path().filename().string();
    const std::string path = folder + "/" + name;
    std::error_code unknown;
    const auto kind = at->symlink_status(unknown).type();
    if (name.starts_with(prefix)) {
      if (kind == std::filesystem::file_type::directory) {
        if (drop_ins && name.ends_with(".d")) add_folder(facts, root, path, "", false);
      } else {
        facts.emplace(path, content_of(root + path));
      }
    }
    at.increment(error);
  }
}

}  // namespace

ServiceFiles::ServiceFiles(std::string root) : root_(std::move(root)) {}

bool ServiceFiles::nudged() {
  return events_.drain();
}

Facts ServiceFiles::facts() {
  Facts out;
  for (const Place& place : kPlaces) {
    events_.add(root_ + place.folder, place.prefix);
    add_folder(out, root_, place.folder, place.prefix, true);
  }
  constexpr auto kOwn = std::to_array<const char*>({"akmd.service", "akm-nmmd.service", "akm-rootd.service"});
  add_running_services(out, root_ + "/sys", kOwn);
  // Drop-ins are in folders of their own.
  for (const auto& [path, content] : out) {
    const std::string folder = path.substr(0, path.rfind('/'));
    if (folder.ends_with(".d")) events_.add(root_ + folder, "");
  }
  return out;
}

void ServiceFiles::look(Instant now, const Tell& tell) {
  for (const Change& change : baseline_.compare(facts())) {
    // A service that was started; that it stops is what counts.
    if (!change.back && change.after == "running") {
      baseline_.accept(change.name);
      continue;
    }
    tell(seen(policy::DetectionClass::service_tampering, now, change));
  }
}

}  // namespace akm::watch
