#pragma once
// Which local programs may get keys of an ASR's session: the [[consumers]] of the configuration
// (docs/keys.md). What is not there is refused.
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/result.h"
#include "daemon/protocol/asr.h"

namespace akm::node {

/// One entry of [[consumers]].
struct ConsumerRule {
  std::string name;
  std::string asr;  // label, or id as 16 hex digits
  std::string user;
  std::string executable;          // absolute path
  std::vector<std::string> types;  // "user", "logon"
  std::size_t key_bytes = 32;
};

class ConsumerAccess {
 public:
  /// Users are looked up once. Those that this machine does not know are named in unknown(), and their rules
  /// allow nothing.
  explicit ConsumerAccess(const std::vector<ConsumerRule>& rules);

  /// The rule that lets the caller have the key `name` of this ASR; not_authorized with what differs. The
  /// executable is compared as a file (device and inode), so that a path in another mount namespace, or a
  /// file that was replaced, is not taken for it.
  [[nodiscard]] Result<const ConsumerRule*> allow(const protocol::AsrDescription& asr, std::string_view name,
                                                  std::string_view type, const Caller& caller) const;
  /// "user NAME" of each.
  [[nodiscard]] const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  struct Entry {
    ConsumerRule rule;
    std::optional<uid_t> user;
  };
  std::vector<Entry> entries_;
  std::vector<std::string> unknown_;
};

}  // namespace akm::node
