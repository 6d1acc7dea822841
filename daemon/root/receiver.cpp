#include "daemon/root/receiver.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "daemon/base/clean_text.h"
#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/protocol/cbor.h"

namespace akm::root {
namespace {

using protocol::Method;
using protocol::RequestReceived;

/// What an answer needs of a request whose body has been read.
RequestReceived head_of(const RequestReceived& request) {
  RequestReceived out;
  out.asr_id = request.asr_id;
  out.request_id = request.request_id;
  out.method = request.method;
  out.expects_response = request.expects_response;
  return out;
}

}  // namespace

void Receiver::resume() {
  for (const auto& [nmm_id, record] : core_.book.all()) {
    if (record.state != NmmState::active) continue;
    again_.set(nmm_id, core_.now());
    silence_.set(nmm_id, core_.now() + patience());
  }
  count_reported();
}

void Receiver::count_reported() {
  if (counted_ || counting_) return;
  counting_ = true;
  core_.database([this](Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
    auto known = database ? read_reported(**database) : std::unexpected(database.error());
    return [this, known = std::move(known)]() mutable {
      counting_ = false;
      if (!known) return log::error("What NMMs have reported is not counted: " + known.error().message());
      counted_ = true;
      for (auto& [nmm_id, reported] : *known) {
        if (core_.book.find(nmm_id) == nullptr) continue;
        Reported& present = presence_[nmm_id].reported;
        present.nodes.merge(reported.nodes);
        present.asrs.merge(reported.asrs);
      }
      core_.status_changed();
    };
  });
}

const NmmPresence* Receiver::presence(protocol::NodeId nmm_id) const {
  const auto at = presence_.find(nmm_id);
  return at == presence_.end() ? nullptr : &at->second;
}

void Receiver::request(const RequestReceived& request) {
  if (const NmmRecord* fenced = core_.book.by_fenced(request.asr_id)) {
    core_.respond(request, fail(Errc::refused_by_policy), {});
    return fence(*fenced, request.asr_id);
  }
  const NmmRecord* record = core_.book.by_asr(request.asr_id);
  if (record == nullptr) return core_.respond(request, fail(Errc::not_activated), {});
  const protocol::NodeId nmm_id = record->nmm_id;
  const bool active = record->state == NmmState::active;
  if (request.method == Method::activate) {
    activate(request, *record);
  } else if (!active) {
    core_.respond(request, fail(Errc::not_activated), {});
  } else if (request.method == Method::adopt) {
    adopt(request, *record);
  } else if (request.method == Method::report) {
    report(request, *record);
  } else if (request.method == Method::records) {
    records(request, *record);
  } else {
    core_.respond(request, fail(Errc::not_supported), {});
  }
  if (core_.book.find(nmm_id)->state == NmmState::active) {
    heard(*core_.book.find(nmm_id), request);
    pursue(nmm_id);
  }
}

void Receiver::heard(const NmmRecord& record, const RequestReceived& request) {
  NmmPresence& presence = presence_[record.nmm_id];
  presence.last_heard = core_.now();
  silence_.set(record.nmm_id, core_.now() + patience());
  if (std::exchange(presence.silent, false)) {
    core_.announce("nmm-heard-again", 5, "A silent NMM is back.", {{"nmm", record.name}});
    core_.status_changed();
  }
  const std::string peer = format_endpoint(request.from);
  if (record.peer == peer) return;
  NmmRecord next = record;
  next.peer = peer;
  (void)core_.put(std::move(next));
}

void Receiver::activate(const RequestReceived& request, const NmmRecord& record) {
  const Status accepted = accept(request, record);
  if (!accepted) {
    core_.announce("activation-refused", 4, "An NMM's activation was refused.",
                   {{"nmm", record.name}, {"reason", accepted.error().message()}});
    return core_.respond(request, accepted, {});
  }
  const protocol::ActivateResponse answer{core_.settings.name, core_.policy_of(record.nmm_id)};
  core_.respond(request, {}, answer.encode());
  core_.status_changed();
}

Status Receiver::accept(const RequestReceived& request, const NmmRecord& record) {
  AKM_ASSIGN(const auto body, protocol::ActivateRequest::decode(request.body.reveal()));
  const auto view = core_.shell.engine().view(request.asr_id);
  const bool current = view && view->description.generation == record.serial;
  if (!current && record.state == NmmState::prepared) return fail(Errc::stale_generation);
  const std::uint64_t now_s = core_.clock.seconds(core_.now());
  const bool first_time = current && record.activated_serial != record.serial;
  if (first_time && now_s - std::min(now_s, record.prepared_at_s) > core_.settings.bundle_expiry_s)
    return fail(Errc::refused_by_policy, "the bundle has expired");
  if (!equal_in_constant_time(record.hardware_value, body.hardware_value))
    return fail(Errc::hardware_mismatch, "another hardware value");
  NmmRecord next = record;
  next.state = NmmState::active;
  if (current) next.activated_serial = next.serial;
  const std::string version = clean_text(body.version);
  // New credentials may be on a machine without what was told to the one before, and another version may take
  // what the one before did not know.
  if ((first_time || next.version != version) && next.told != protocol::Digest32{}) next.told.fill(0xff);
  next.version = version;
  next.peer = format_endpoint(request.from);
  // Whatever it has: issuing once more does no harm, and an NMM that was restored has perhaps nothing.
  if (current) next.issue_pending = !next.secrets.empty();
  AKM_TRY(core_.put(std::move(next)));
  if (first_time) {
    core_.announce(
        "nmm-activated", 5, "An NMM has activated.",
        {{"nmm", record.name}, {"nmm_id", hex_id(record.nmm_id)}, {"serial", std::to_string(record.serial)}});
  }
  return {};
}

void Receiver::adopt(const RequestReceived& request, const NmmRecord& record) {
  auto body = protocol::AdoptRequest::decode(request.body.reveal());
  if (!body || body->nmm_id != record.nmm_id)
    return core_.respond(request, fail(Errc::malformed, "adopt"), {});
  struct Work {
    RequestReceived head;
    protocol::AdoptRequest body;
    protocol::NodeId nmm_id = 0;
    std::set<std::uint32_t> numbers;
  };
  const auto work = std::make_shared<Work>(Work{head_of(request), std::move(*body), record.nmm_id, {}});
  for (const auto& one : work->body.secrets) work->numbers.insert(one.number);
  // The Root's own word is not overwritten by an NMM's: only the same again is taken.
  const bool known = !record.secrets.empty();
  core_.database(
      [this, work, known](Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
        Status done = database ? keep_secrets(**database, work->nmm_id, work->body.secrets, known)
                               : std::unexpected(database.error());
        return [this, work, done = std::move(done)] {
          Status outcome = done;
          const NmmRecord* present = core_.book.find(work->nmm_id);
          if (outcome && present != nullptr) {
            NmmRecord next = *present;
            next.secrets.insert(work->numbers.begin(), work->numbers.end());
            outcome = core_.put(std::move(next));
          }
          if (outcome) {
            core_.announce("nmm-adopted", 5, "An NMM that stood alone was adopted.",
                           {{"nmm_id", hex_id(work->nmm_id)}});
          } else {
            log::error("an NMM was not adopted: " + outcome.error().message());
          }
          core_.respond(work->head, outcome, protocol::empty_body());
          core_.settle();
        };
      });
}

void Receiver::report(const RequestReceived& request, const NmmRecord& record) {
  auto body = protocol::ReportRequest::decode(request.body.reveal());
  if (!body) return core_.respond(request, std::unexpected(body.error()), {});
  struct Work {
    RequestReceived head;
    protocol::ReportRequest body;
    protocol::NodeId nmm_id = 0;
    std::set<std::uint32_t> secrets;
  };
  const auto work =
      std::make_shared<Work>(Work{head_of(request), std::move(*body), record.nmm_id, record.secrets});
  core_.database([this, work](Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
    Result<std::set<std::uint32_t>> left = std::unexpected(Error{Errc::unreachable, {}});
    if (database) {
      const Status stored = store_report(**database, work->nmm_id, work->body);
      left = stored ? drop_secrets(**database, work->nmm_id, work->secrets, work->body.roots)
                    : std::unexpected(stored.error());
    } else {
      left = std::unexpected(database.error());
    }
    return [this, work, left = std::move(left)] {
      if (!left) {
        const bool older = left.error().code == Errc::stale_generation;
        core_.announce(older ? "nmm-older" : "report-not-stored", 3,
                       older ? "An NMM knows less than it has reported: its state is an older copy."
                             : "An NMM's report could not be stored; it is said again.",
                       {{"nmm_id", hex_id(work->nmm_id)}, {"error", left.error().message()}});
        core_.respond(work->head, std::unexpected(left.error()), {});
        return core_.settle();
      }
      const NmmRecord* present = core_.book.find(work->nmm_id);
      if (present != nullptr && present->secrets == work->secrets && *left != work->secrets) {
        NmmRecord next = *present;
        next.secrets = *left;
        (void)core_.put(std::move(next));
      }
      reported(work->nmm_id, work->body);
      core_.respond(work->head, {}, protocol::ReportResponse{work->body.upto}.encode());
      core_.settle();
    };
  });
}

void Receiver::reported(protocol::NodeId nmm_id, const protocol::ReportRequest& report) {
  Reported& present = presence_[nmm_id].reported;
  for (const auto& node : report.nodes) present.nodes.insert(node.id);
  for (const auto& asr : report.asrs) present.asrs.insert(asr.id);
  for (const auto& [change, asr_id] : report.gone) present.asrs.erase(asr_id);
  if (!report.nodes.empty() || !report.asrs.empty() || !report.gone.empty()) core_.status_changed();
}

void Receiver::records(const RequestReceived& request, const NmmRecord& record) {
  const auto body = protocol::RecordsRequest::decode(request.body.reveal());
  if (!body) return core_.respond(request, std::unexpected(body.error()), {});
  const auto head = std::make_shared<RequestReceived>(head_of(request));
  core_.database([this, head, nmm_id = record.nmm_id,
                  asked = *body](Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
    auto page = database ? read_records(**database, nmm_id, asked) : std::unexpected(database.error());
    return [this, head, page = std::move(page)] {
      core_.respond(*head, page ? Status{} : std::unexpected(page.error()),
                    page ? page->encode() : protocol::Body{});
      core_.settle();
    };
  });
}

}  // namespace akm::root
