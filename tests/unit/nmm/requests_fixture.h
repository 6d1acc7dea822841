#pragma once
// A registry and requests without an engine: what is sent is kept, and the test answers it.
#include <criterion/criterion.h>

#include <string>
#include <vector>

#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "tests/unit/nmm/memory_store.h"
#include "tests/unit/nmm/records.h"

namespace akm::nmm::test {

struct RequestsFixture {
  MemoryStore store;
  Registry registry{store};
  std::vector<protocol::SendRequest> sent;
  Instant now{1'000};
  Requests requests{[this](protocol::Event event, Requests::AfterStep) {
                      sent.push_back(std::move(std::get<protocol::SendRequest>(event)));
                    },
                    [this] { return now; }};

  /// Nodes 1 to `nodes`, "n1" and so on.
  explicit RequestsFixture(protocol::NodeId nodes) {
    for (protocol::NodeId id = 1; id <= nodes; ++id)
      cr_assert(registry.put(node_record(id, "n" + std::to_string(id))));
  }
  void answer(std::size_t which, protocol::ControlStatus status) {
    protocol::ResponseReceived response;
    response.cookie = sent.at(which).cookie;
    response.status = status;
    requests.answered(response, now);
  }
  void lose(std::size_t which) { requests.timed_out({0, sent.at(which).cookie, sent.at(which).method}, now); }
};

}  // namespace akm::nmm::test
