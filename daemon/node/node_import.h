#pragma once
// One bundle on its way in, by a file or a drive.
#include <string>
#include <vector>

#include "daemon/node/node.h"

namespace akm::node {

/// What goes back and forth between the loop and the thread aside.
struct Node::Import {
  std::string path;
  std::vector<std::string> also;
  SecretBuffer code;
  Done done;
  Result<BundleSource> source = fail(Errc::internal, "not read yet");
  protocol::Digest32 digest{};
  Result<protocol::BundleContent> content = fail(Errc::internal, "not opened yet");
  std::string receipt;
  Status consumed;
};

}  // namespace akm::node
