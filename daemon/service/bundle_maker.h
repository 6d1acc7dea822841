#pragma once
// How a role makes the content of a bundle, when whoever carries it is ready: at once at an NMM, through its
// database at a Root. A serial is used up by it. What it leaves for the engine it sends by itself.
#include <functional>
#include <memory>
#include <utility>

#include "daemon/base/control_types.h"
#include "daemon/protocol/bundle.h"
#include "daemon/service/aside_worker.h"

namespace akm::service {

using BundleReply = Reply<protocol::BundleContent>;
using MakeBundle = std::move_only_function<void(BundleReply)>;

/// The steps of whoever carries a bundle: `look` aside, at the place or the token, so that no serial is used
/// up in vain; `make` on the loop; `seal` aside, with `content`; and `answer`, once. `Work` has these, may
/// outlive the call, and knows nothing of the role but by `make`. busy when many wait.
template <typename Work>
void make_in_steps(const RunAside& run_aside, const std::shared_ptr<Work>& work) {
  reply_aside<void>(
      run_aside, [work] { return work->look(); },
      [run_aside, work](const Status& found) {
        if (!found) return work->answer(found);
        work->make_content([run_aside, work](Result<protocol::BundleContent> content) {
          if (!content) return work->answer(std::unexpected(content.error()));
          work->content = std::move(*content);
          reply_aside<void>(
              run_aside, [work] { return work->seal(); }, [work](const Status& done) { work->answer(done); });
        });
      });
}

}  // namespace akm::service
