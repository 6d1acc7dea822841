#pragma once
// Blocking client of org.akm.Root1, for akmctl only.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/root/control_port.h"
#include "dbus/proxy.h"

namespace akm::dbus {

class RootProxy {
 public:
  using Kind = store::RecordKind;
  using Prepare = root::ControlPort::Prepare;
  using Prepared = root::ControlPort::Prepared;

  /// `proxy` outlives it.
  explicit RootProxy(Proxy& proxy) : proxy_(proxy) {}

  Result<root::StatusSnapshot> status();
  Result<std::vector<root::NmmSnapshot>> nmms();
  Status create_root_secret();
  Result<Prepared> prepare_nmm(const Prepare& what, const std::string& directory);
  Result<std::uint64_t> provision_nmm(const Prepare& what, const std::string& bus_address);
  Result<Prepared> replace_nmm(std::uint64_t nmm_id, const std::vector<std::uint8_t>& hardware_value,
                               const std::string& directory);
  Result<std::uint64_t> replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address);
  using PreparedOnToken = root::ControlPort::PreparedOnToken;
  Result<PreparedOnToken> prepare_nmm_on_token(const Prepare& what, const std::string& uri,
                                               const UniqueFd& pin);
  using PreparedForTpm = root::ControlPort::PreparedForTpm;
  Result<PreparedForTpm> prepare_nmm_for_tpm(const Prepare& what, const std::vector<std::uint8_t>& identity,
                                             const std::string& place);
  Result<DirectOffer> begin_direct(const Prepare& what, const std::string& bus_address);
  Result<std::uint64_t> confirm_direct(std::uint64_t handle, const std::string& fingerprint);
  Result<std::uint64_t> prune_history(std::uint64_t revision);

  // Pages, as root::ConfigPort.
  Result<std::vector<store::ReportRow>> reports(Kind kind, std::uint64_t nmm_id, std::uint64_t after_nmm,
                                                std::uint64_t after_id);
  Result<std::vector<store::IncidentRow>> incidents(std::uint64_t nmm_id, std::uint64_t after);
  Result<std::vector<store::ConfigRecord>> records(Kind kind, std::uint64_t after);
  Result<std::vector<store::Change>> history(std::uint64_t after);

  Result<store::ConfigRecord> get(Kind kind, std::uint64_t id);
  Result<std::uint64_t> set(Kind kind, std::uint64_t id, const store::Fields& changes,
                            std::optional<std::uint64_t> expected_revision);
  Result<std::uint64_t> remove(Kind kind, std::uint64_t id);
  Result<std::vector<store::FieldDifference>> diff(std::uint64_t from, std::uint64_t to);
  Result<std::uint64_t> rollback(std::uint64_t revision);

 private:
  Status call(const char* member, const std::function<void(Writer&)>& write,
              const std::function<Status(Reader&)>& read);
  Result<std::uint64_t> number(const char* member, const std::function<void(Writer&)>& write);
  Result<Prepared> prepared(const char* member, const std::function<void(Writer&)>& write);
  template <typename Row>
  Result<std::vector<Row>> rows(const char* member, const std::function<void(Writer&)>& write);

  Proxy& proxy_;
};

}  // namespace akm::dbus
