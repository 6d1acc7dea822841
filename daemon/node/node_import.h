#pragma once
// One bundle on its way in: by a file or a drive, for the TPM or not, or on a token.
#include <functional>
#include <string>
#include <vector>

#include "daemon/node/node.h"

namespace akm::node {

/// What goes back and forth between the loop and the thread aside.
struct Node::Import {
  std::string path;
  std::vector<std::string> also;
  SecretBuffer code;  // a token's PIN
  Done done;
  Result<BundleSource> source = fail(Errc::internal, "not read yet");  // not of a token
  protocol::Digest32 digest{};
  Result<protocol::BundleContent> content = fail(Errc::internal, "not opened yet");
  std::string way;  // that the event tells
  /// Makes the bundle useless where it was found. Called aside, once the credentials are stored.
  std::function<Status(const std::string& receipt)> consume;
  std::string receipt;
  Status consumed;

  /// Called aside: a drive may take what time it likes.
  void open_source() {
    source = BundleSource::open(path, also);
    if (!source) return;
    way = source->way();
    consume = [this](const std::string& text) { return source->consume(text); };
  }
};

}  // namespace akm::node
