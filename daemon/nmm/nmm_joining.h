#pragma once
// Section 7, "The Root": credentials for this NMM come as a bundle, once, in the same ways as a node's do.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/root_link.h"
#include "daemon/node/hardware.h"
#include "daemon/service/bundle_import.h"
#include "daemon/service/handover.h"

namespace akm::nmm {

class NmmJoining {
 public:
  struct Parts {
    Core& core;
    RootLink& link;
    store::SealedStore& store;
    node::Hardware* hardware = nullptr;  // null: the machine is not known
    std::function<void()> settle;        // sends what taking credentials has left
  };
  explicit NmmJoining(Parts parts);

  /// Reads how often codes were tried.
  Status load() { return import_.load(); }
  void from_file(const std::string& path, UniqueFd code, Done done);
  void from_token(const std::string& uri, UniqueFd pin, Done done);
  void tpm_identity(Reply<ControlPort::TpmIdentity> reply);
  void from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest, Done done);
  void from_memfd(const UniqueFd& bundle, Done done);
  Result<ControlPort::HandoverOffer> offer_handover();
  void from_handover(const std::vector<std::uint8_t>& sealed, Done done);

  [[nodiscard]] std::string fingerprint() const { return handover_.fingerprint(core_.now()); }
  [[nodiscard]] std::optional<Instant> next_deadline() const { return handover_.ends(); }
  void deadline_reached(Instant now);

 private:
  service::BundleImport::Parts import_parts(store::SealedStore& store);
  /// Stores them; the receipt.
  Result<std::string> take(const protocol::BundleContent& content);
  Status take_direct(const Result<protocol::BundleContent>& content);

  Parts parts_;
  Core& core_;
  service::BundleImport import_;
  service::Handover handover_;
};

}  // namespace akm::nmm
