// Covers service::Config::load, common_settings, node_settings, nmm_settings, policy_from. The first byte
// chooses the daemon; the rest is its file.
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/unique_fd.h"
#include "daemon/nmm/nmm_settings.h"
#include "daemon/node/node_settings.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

/// A file that only this process has; as a path it has no folder of drop-ins beside it.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("fuzz-config", MFD_CLOEXEC)) { require(static_cast<bool>(fd_), "memfd"); }
  void fill(std::span<const std::uint8_t> bytes) {
    require(ftruncate(fd_.get(), 0) == 0, "ftruncate");
    require(pwrite(fd_.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "pwrite");
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

void as_node(const std::string& path) {
  static const service::Schema schema = node::node_schema();
  const auto config = service::Config::load(path, schema);
  if (!config) return;
  if (const auto settings = node::node_settings(*config)) {
    require(settings->probes_check_interval_s > 0, "an interval is never 0");
    require(settings->consumers.size() <= service::kConfigTables, "tables are bounded");
    for (const node::ConsumerRule& rule : settings->consumers)
      require(!rule.name.empty() && rule.executable.starts_with('/'), "a consumer is named whole");
  }
}

void as_nmm(const std::string& path) {
  static const service::Schema schema = nmm::nmm_schema();
  const auto config = service::Config::load(path, schema);
  if (!config) return;
  const auto common = service::common_settings(*config, "akm-nmmd");
  if (!common) return;
  if (const auto settings = nmm::nmm_settings(*config, *common))
    require(settings->endpoints.size() <= service::kConfigListItems, "lists are bounded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  fuzz::Input input(data, size);
  const bool is_node = input.u8() % 2 == 0;
  file.fill(input.rest());
  is_node ? as_node(file.path()) : as_nmm(file.path());
  return 0;
}
