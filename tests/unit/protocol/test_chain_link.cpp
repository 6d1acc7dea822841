#include "daemon/protocol/chain_link.h"

#include <criterion/criterion.h>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;

namespace {

const Digest32 kTranscript{1};
const Digest32 kOther{2};

struct Made {
  Asr asr = testing::fixed_asr(2);
  KeyContext context = key_context_of(asr.description);
  ChainLink link = *ChainLink::install(context, Chain::normal, asr.chains[0]);
  ChainLink fallback = *ChainLink::install(context, Chain::fallback, asr.chains[1]);
  ChainLink failsafe = *ChainLink::install(context, Chain::failsafe, asr.chains[2]);
  ChainLinks links{&link, &fallback, &failsafe};
  Bitmap all = Bitmap::for_roster(asr.description);

  CandidatePtr derive(std::uint32_t target, const Digest32& transcript = kTranscript) {
    auto candidate = link.derive(context, target, 0, 1, transcript, all, links);
    return candidate ? *candidate : nullptr;
  }
};

}  // namespace

Test(chain_link, install_steps_to_epoch_1_and_never_from_another) {
  Made made;
  cr_assert_eq(made.link.epoch(), 1U);
  cr_assert_eq(made.link.session()->epoch(), 1U);
  made.asr.chains[1].epoch = 1;
  const auto refused = ChainLink::install(made.context, Chain::fallback, made.asr.chains[1]);
  cr_assert_eq(refused.error().code, Errc::invalid_argument);
}

Test(chain_link, commit_moves_on_and_keeps_the_old_session_for_receiving) {
  Made made;
  const auto before = made.link.session();
  const auto candidate = made.derive(2);
  cr_assert(candidate);
  made.link.store(candidate);
  cr_assert_eq(made.link.stored().size(), 1U);
  made.link.commit(candidate, Instant{50});
  cr_assert_eq(made.link.epoch(), 2U);
  cr_assert(made.link.stored().empty());
  cr_assert(made.link.previous() == before);
  cr_assert_eq(made.link.previous_until().ns, 50);
  cr_assert(made.link.session() == candidate->session);
  made.link.drop_previous();
  cr_assert(made.link.previous() == nullptr);
}

Test(chain_link, a_copy_taken_before_a_commit_is_the_state_before) {
  Made made;
  const ChainLink before = made.link;
  const auto candidate = made.derive(2);
  made.link.commit(candidate, Instant{});
  cr_assert_eq(before.epoch(), 1U);
  cr_assert(before.session() != made.link.session());
}

Test(chain_link, targets_left_behind_are_refused) {
  Made made;
  cr_assert(made.derive(1) == nullptr, "the committed epoch");
  cr_assert(made.derive(5));
  cr_assert(made.derive(4) == nullptr, "below one that was derived");
  const auto again = made.derive(5, kOther);
  cr_assert(again, "the same target with another transcript");
  cr_assert_eq(made.link.lowest_target(), 5U);
}

Test(chain_link, a_commit_of_the_fallback_chain_gives_the_normal_one_a_new_start) {
  Made made;
  const auto before = made.link.session();
  const auto candidate = *made.fallback.derive(made.context, 2, 0, 6, kTranscript, made.all, made.links);
  const Reroot* start = candidate->reroot_of(Chain::normal);
  cr_assert(candidate->reroot_of(Chain::fallback) == nullptr);
  cr_assert_eq(start->session->epoch(), 7U, "one step above the highest epoch of all");
  made.fallback.commit(candidate, Instant{5});
  made.link.reroot(candidate, Instant{5});
  cr_assert_eq(made.fallback.epoch(), 2U);
  cr_assert_eq(made.link.epoch(), 7U);
  cr_assert(made.link.session() == start->session);
  cr_assert(made.link.previous() == before);
  cr_assert(made.derive(7) == nullptr, "never back to an epoch that has a key");
  std::weak_ptr<const Candidate> watched = candidate;
  const_cast<CandidatePtr&>(candidate).reset();
  cr_assert(watched.expired(), "what led to the re-root is erased with its commit");
}

Test(chain_link, the_failsafe_chain_re_roots_both_and_is_used_once) {
  Made made;
  const auto candidate = *made.failsafe.derive(made.context, 2, 0, 3, kTranscript, made.all, made.links);
  cr_assert_eq(candidate->reroots.size(), 2U);
  made.failsafe.spend(candidate, Instant{5});
  made.fallback.reroot(candidate, Instant{5});
  cr_assert_eq(made.fallback.epoch(), 4U);
  cr_assert(made.failsafe.is_spent());
  cr_assert(!made.failsafe.derive(made.context, 9, 0, 9, kTranscript, made.all, made.links));
}

Test(chain_link, a_re_root_never_leads_back) {
  Made made;
  cr_assert(made.derive(9));
  const auto refused = made.fallback.derive(made.context, 2, 0, 4, kTranscript, made.all, made.links);
  cr_assert_eq(refused.error().code, Errc::wrong_state);
}

Test(chain_link, stored_candidates_are_bounded) {
  Made made;
  CandidatePtr last;
  for (std::uint32_t target = 2; target < 10; ++target) {
    last = made.derive(target);
    made.link.store(last);
    made.link.store(last);
  }
  cr_assert_eq(made.link.stored().size(), limits::kStoredCandidates);
  cr_assert(made.link.stored().back() == last);
}

Test(chain_link, a_restored_candidate_must_follow_its_base) {
  Made made;
  Candidate candidate;
  candidate.target = 1;
  candidate.next.epoch = 1;
  const auto status =
      made.link.restore_candidate(made.context, std::move(candidate), SecretBuffer(32), made.links);
  cr_assert_eq(status.error().code, Errc::state_corrupt);
}
