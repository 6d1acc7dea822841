// A state from before states had a number, read by the present program. tests/vectors/state-1 was made at
// 7f15259, where all that it holds is written as at e05f5c3: the records of an NMM with three nodes and one
// relationship, and of its first node, sealed in software.
#include <criterion/criterion.h>

#include <filesystem>

#include "daemon/nmm/root_secret.h"
#include "daemon/service/shell.h"
#include "daemon/service/startup.h"
#include "keyring/sealer_factory.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;

TestSuite(older_state, .init = nmm::test::quiet);

namespace {

service::OpenedState opened(const akm::test::TemporaryFolder& place, const std::string& role) {
  const std::string folder = place.file(role);
  std::filesystem::copy(std::string(AKM_OLDER_STATE) + "/" + role, folder,
                        std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))  // git keeps no modes
    std::filesystem::permissions(entry,
                                 std::filesystem::perms::group_all | std::filesystem::perms::others_all,
                                 std::filesystem::perm_options::remove);
  service::Settings settings;
  settings.state_folder = folder;
  settings.sealing = service::SealingChoice::software;
  settings.nv_index = keyring::kDefaultNvIndex;
  static SystemRandom random;
  return service::open_state(settings, random);
}

std::size_t relationships_in(store::SealedStore& store, std::vector<std::string>& findings) {
  SystemRandom random;
  service::Shell shell({store, nullptr, random, [](const Endpoint&, auto) {}},
                       protocol::Engine::Options{9, 9}, [](service::Report&) {});
  findings = shell.restore();
  return shell.engine().relationships().size();
}

}  // namespace

Test(older_state, of_an_nmm) {
  const akm::test::TemporaryFolder place;
  const service::OpenedState state = opened(place, "nmm");
  cr_assert(state.store != nullptr, "%s", state.failure ? state.failure->message().c_str() : "");
  SystemRandom random;
  nmm::RootSecret root(*state.store, random);
  cr_assert(root.load());
  cr_assert_neq(root.nmm_id(), 0U);
  cr_assert(root.read_all());
  nmm::Registry registry(*state.store);
  const auto unread = registry.load();
  cr_assert(unread && unread->empty());
  cr_assert_eq(registry.nodes().size(), 3U);
  cr_assert_eq(registry.asrs().size(), 1U);
  cr_assert_not(registry.asrs().begin()->second.unconfirmed);
  std::vector<std::string> findings;
  cr_assert_eq(relationships_in(*state.store, findings), 3U);
  cr_assert(findings.empty(), "%s", findings.front().c_str());
  cr_assert(state.store->read("format"), "it has its number now");
}

Test(older_state, of_a_node) {
  const akm::test::TemporaryFolder place;
  const service::OpenedState state = opened(place, "node");
  cr_assert(state.store != nullptr, "%s", state.failure ? state.failure->message().c_str() : "");
  std::vector<std::string> findings;
  cr_assert_eq(relationships_in(*state.store, findings), 2U);
  cr_assert(findings.empty(), "%s", findings.front().c_str());
  cr_assert(state.store->read("format"));
}
