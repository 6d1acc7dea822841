#pragma once
// The content of a bundle, where it does not matter what is in it.
#include "daemon/protocol/bundle.h"

namespace akm::test {

inline protocol::BundleContent sample_bundle() {
  protocol::BundleContent out;
  out.identity.asr_id = 1;
  out.identity.nmm_id = 2;
  out.identity.node_id = 3;
  out.identity.nmm_name = "root";
  out.identity.node_name = "north";
  out.identity.nmm_endpoints = {"192.0.2.1:7402"};
  return out;
}

}  // namespace akm::test
