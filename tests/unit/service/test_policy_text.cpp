#include "daemon/service/policy_text.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using protocol::Policy;

Test(policy_text, every_field_goes_there_and_back) {
  Policy changed;
  changed.rekey_interval_s = 11;
  changed.grace_ms = 12;
  changed.quorum = protocol::Quorum::majority;
  changed.topology = protocol::Topology::star;
  changed.attestation = protocol::Attestation::required;
  changed.rotate_provisioning_after_install = false;
  Policy copy;
  cr_assert(apply_policy_text(copy, policy_to_text(changed)).has_value());
  cr_assert(copy == changed);
  cr_assert_eq(policy_to_text(Policy{}).at("topology"), "auto");
  cr_assert_eq(policy_to_text(Policy{}).size(), 16);
  cr_assert_eq(policy_to_text(Policy{}).at("attestation"), "none");
}

Test(policy_text, a_group_address_and_topology_multicast_belong_together) {
  Policy policy;
  const std::map<std::string, std::string> both{{"topology", "multicast"},
                                                {"multicast_group", "239.192.0.1:7400"}};
  cr_assert(apply_policy_text(policy, both).has_value());
  Policy copy;
  cr_assert(apply_policy_text(copy, policy_to_text(policy)).has_value());
  cr_assert(copy == policy);
  for (const auto& wrong : {std::map<std::string, std::string>{{"topology", "multicast"}},
                            {{"multicast_group", "239.192.0.1:7400"}},
                            {{"topology", "multicast"}, {"multicast_group", "10.0.0.1:7400"}},
                            {{"topology", "multicast"}, {"multicast_group", "239.192.0.1"}}}) {
    Policy unchanged;
    cr_assert_eq(apply_policy_text(unchanged, wrong).error().code, Errc::invalid_argument);
    cr_assert(unchanged == Policy{});
  }
}

Test(policy_text, what_is_wrong_changes_nothing) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"no_such_field", "1"},
                                          {"rekey_interval_s", "0"},
                                          {"nnrt_ms", "12x"},
                                          {"nset_ms", ""},
                                          {"grace_ms", "-1"},
                                          {"quorum", "some"},
                                          {"rotate_provisioning_after_install", "1"}}) {
    Policy policy;
    const Status status = apply_policy_text(policy, {{"control_deadline_s", "5"}, {name, value}});
    cr_assert_not(status.has_value(), "%s = %s was accepted", name.c_str(), value.c_str());
    cr_assert_eq(status.error().code, Errc::invalid_argument);
    cr_assert(policy == Policy{});
  }
}

Test(policy_text, the_configuration_has_the_same_fields) {
  const test::TemporaryFolder folder;
  const Schema schema = policy_schema();
  cr_assert(policy_from(Config(schema)) == Policy{});
  const auto config = Config::load(folder.write("a.toml",
                                                "[policy]\nrekey_interval_s = 5\nquorum = "
                                                "\"majority\"\nrotate_provisioning_after_install = false\n"),
                                   schema);
  cr_assert(config.has_value());
  const Policy policy = policy_from(*config);
  cr_assert_eq(policy.rekey_interval_s, 5);
  cr_assert_eq(policy.quorum, protocol::Quorum::majority);
  cr_assert_not(policy.rotate_provisioning_after_install);
}
