// What a machine erases when another one has its place, or when it begins anew under another relationship. A
// crash or a full disk may cut it short: it is tried until it is done, also after a restart.
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/root_link.h"

namespace akm::nmm {

using LinkState = node::NodeState;

void RootLink::fence(const protocol::RequestReceived& request) {
  const auto body = protocol::FenceRequest::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  const bool news = !fenced();
  const Status done = fence_off();
  respond(request, done);
  if (!news) return;
  log::write(log::Level::critical, message_id::kStateDoubtful,
             "Another machine has this NMM's place: it is fenced off, and has erased its secrets");
  say("fenced", 1, "Another machine has this NMM's place: it is fenced off, and has erased its secrets.",
      {{"serial", std::to_string(body->serial)}});
}

/// The word first: what a crash or a full disk leaves of the secrets goes later.
Status RootLink::fence_off() {
  RootRecord next = *record_;
  next.node.state = LinkState::quarantined;
  AKM_TRY(records_.save(next));
  record_ = std::move(next);
  due_.reset();
  report_due_.reset();
  anew_due_.reset();
  return clear_away();
}

/// What is from before the fence, or before this relationship. Tried until it is done.
Status RootLink::clear_away() {
  const Status done = fenced() ? erase_secrets() : forget_nodes();
  if (done) {
    trouble_.clear();
  } else {
    try_again("What this machine has to erase is not all erased: " + done.error().message());
  }
  return done;
}

Status RootLink::erase_secrets() {
  if (core_.root.newest() != 0) AKM_TRY(core_.root.erase());
  AKM_TRY(core_.credentials.sweep([](protocol::AsrId) { return false; }));
  for (const protocol::AsrId asr : core_.shell.engine().relationships()) {
    if (asr != asr_id()) core_.post(protocol::RetireAsr{asr});
  }
  return {};
}

Status RootLink::forget_nodes() {
  AKM_TRY(erase_secrets());
  AKM_TRY(core_.registry.clear());
  RootRecord next = *record_;
  next.forget_for = 0;
  AKM_TRY(records_.save_progress(next));
  record_ = std::move(next);
  return {};
}

}  // namespace akm::nmm
