// Covers service::Config::load, common_settings, node_settings, nmm_settings, policy_from, and of a policy
// file node_policy and recovery_from. The first byte chooses the daemon, or a policy; the rest is its file.
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/unique_fd.h"
#include "daemon/nmm/nmm_settings.h"
#include "daemon/node/node_settings.h"
#include "daemon/service/policy_file.h"
#include "daemon/service/recovery_text.h"
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
    require(settings->probes.check_interval_s > 0, "an interval is never 0");
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

/// What is taken travels as values, and is the same policy at the other end.
void as_policy(const std::string& path) {
  static const service::Schema schema = service::policy_file_schema();
  const auto config = service::Config::load(path, schema);
  if (!config) return;
  (void)service::recovery_from(*config);
  const auto policy = service::node_policy(*config);
  if (!policy) return;
  require(policy->check().has_value(), "a policy that was taken is valid");
  const auto again = service::Config::of(config->set_values(), config->set_tables(), "values", schema);
  require(again && *service::node_policy(*again) == *policy, "and the same when it has travelled");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MemoryFile file;
  fuzz::Input input(data, size);
  const std::size_t which = input.below(3);
  file.fill(input.rest());
  if (which == 0) as_node(file.path());
  if (which == 1) as_nmm(file.path());
  if (which == 2) as_policy(file.path());
  return 0;
}
