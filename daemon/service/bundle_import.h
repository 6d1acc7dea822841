#pragma once
// A bundle on its way in (section 7), at a node as at an NMM: it is found and opened aside, with the tries of
// its code counted, taken by the role on the loop, and made useless where it was found.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/protocol/bundle.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/bundle_source.h"
#include "daemon/service/bundle_tries.h"
#include "keyring/token_vault.h"

namespace akm::service {

class BundleImport {
 public:
  /// Where a bundle came from.
  struct Found {
    std::string way;                           // that the event tells
    std::string path;                          // of a file
    std::optional<protocol::Digest32> digest;  // of a file; a token's takes the PIN, which is kept nowhere
  };
  struct Parts {
    store::SealedStore& store;
    RunAside run_aside;
    std::function<Instant()> now;
    /// Stores the credentials, durably, and returns the receipt. On the loop.
    std::function<Result<std::string>(const protocol::BundleContent&, const Found&)> take;
    /// Whom an operator hears of: a try that was one.
    std::function<void(unsigned tries_left)> wrong_code;
    /// Whether the used bundle was made useless where it was found.
    std::function<void(const Found&, const Status&)> removed;
  };
  explicit BundleImport(Parts parts) : parts_(std::move(parts)), tries_(parts_.store) {}
  BundleImport(const BundleImport&) = delete;
  BundleImport& operator=(const BundleImport&) = delete;

  /// Reads how often codes were tried. Errors of BundleTries::load.
  Status load() { return tries_.load(parts_.now()); }
  [[nodiscard]] bool under_way() const { return current_ != nullptr; }
  /// A drive or a module may never come back from what it was asked: what is under way ends with this error,
  /// and what another thread still does for it is dropped.
  void abandon(const Error& why);
  [[nodiscard]] unsigned remaining(const protocol::Digest32& bundle) const {
    return tries_.remaining(bundle);
  }

  /// Where a bundle may lie: as in BundleSource::open.
  struct Place {
    std::string path;
    std::vector<std::string> also;
  };
  /// `code`: a sealed memfd with the one-time code as text. Done when the drive is let go: busy while another
  /// is under way or a try has to wait; wrong_code, bundle_void, and errors of BundleSource and the role.
  void from_file(Place place, UniqueFd code, Done done);
  /// `pin`: a sealed memfd. Errors of the vault (keyring/token_vault.h) and the role.
  void from_token(keyring::TokenPlace place, UniqueFd pin, Done done);
  /// A file that opens without a code. `open` is called aside.
  using Open = std::function<Result<protocol::BundleContent>(std::span<const std::uint8_t>)>;
  void from_sealed_file(Place place, Open open, Done done);

 private:
  struct Import;
  using Shared = std::shared_ptr<Import>;
  Shared begin(Done done);
  void aside(const Shared& import, std::function<void(Import&)> work,
             void (BundleImport::*then)(const Shared&));
  void found(const Shared& import);
  void opened(const Shared& import);
  void take(const Shared& import);
  void consumed(const Shared& import);
  void end(const Status& outcome);

  Parts parts_;
  BundleTries tries_;
  Shared current_;
};

}  // namespace akm::service
