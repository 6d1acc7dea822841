#include "daemon/nmm/backup_content.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/backup_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

TestSuite(backup_content, .init = quiet);

namespace {

BackupContent sample() {
  NmmNet net(2);
  net.activate_all();
  (void)net.create(2);
  BackupContent out = content_of(net);
  protocol::DetectionPolicy policy;
  policy.own = false;
  policy.set["responses.key-access"] = std::string("revoke");
  out.policies.emplace("domain", policy);
  return out;
}

Result<BackupContent> again(const BackupContent& content) {
  const SecretBuffer secrets = content.encode_secrets();
  return BackupContent::decode(secrets.reveal(), content.encode_records());
}

}  // namespace

Test(backup_content, comes_back_as_it_was) {
  const BackupContent content = sample();
  const auto back = again(content);
  cr_assert(back, "%s", back ? "" : back.error().message().c_str());
  cr_assert_eq(back->issue.nmm_id, content.issue.nmm_id);
  cr_assert_eq(back->issue.incarnation, 7U);
  cr_assert_eq(back->issue.reported, content.issue.reported);
  cr_assert(std::ranges::equal(back->issue.secrets.at(0).secret.reveal(),
                               content.issue.secrets.at(0).secret.reveal()));
  cr_assert_eq(back->name, "north");
  cr_assert_eq(back->made_s, 1'700'000'000U);
  cr_assert(back->nodes == content.nodes && back->nodes.size() == 2);
  cr_assert(back->asrs == content.asrs && back->asrs.size() == 1);
  cr_assert(back->policies == content.policies);
}

Test(backup_content, parts_that_do_not_fit_together_are_refused) {
  BackupContent swapped = sample();
  std::swap(swapped.nodes[0], swapped.nodes[1]);
  cr_assert(again(swapped).error().code == Errc::malformed, "ids that do not rise");
  BackupContent double_name = sample();
  double_name.nodes[1].name = double_name.nodes[0].name;
  cr_assert(again(double_name).error().code == Errc::malformed);
  BackupContent lost_secret = sample();
  lost_secret.nodes[1].newest.root = 3;
  cr_assert(again(lost_secret).error().code == Errc::malformed);
  lost_secret.nodes[1].state = static_cast<std::uint8_t>(NodeState::retired);
  cr_assert(again(lost_secret), "one that is gone for good needs none");
  BackupContent lost_member = sample();
  lost_member.nodes.pop_back();
  cr_assert(again(lost_member).error().code == Errc::malformed);
}

Test(backup_content, what_is_cut_short_is_refused) {
  const BackupContent content = sample();
  const SecretBuffer secrets = content.encode_secrets();
  const auto records = content.encode_records();
  for (std::size_t size = 0; size < records.size(); size += 7)
    cr_assert_not(BackupContent::decode(secrets.reveal(), std::span(records).first(size)));
  cr_assert_not(BackupContent::decode(secrets.reveal().first(secrets.size() - 1), records));
}
