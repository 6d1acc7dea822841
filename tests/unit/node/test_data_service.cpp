#include "daemon/node/data_service.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/data_client.h"
#include "tests/support/fake_loop.h"
#include "tests/support/memory_store.h"
#include "tests/support/sample_asr.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::node;
using akm::test::DataClient;
using Bytes = std::vector<std::uint8_t>;

namespace {

/// A shell that holds ASRs, and the service over it.
struct Bench {
  test::TemporaryFolder folder;
  test::FakeLoop loop;
  test::MemoryStore store;
  test::SeededRandom random;
  DataSettings settings{.folder = folder.file("asr"),
                        .users = {std::to_string(geteuid())},
                        .groups = {},
                        .clients = 4,
                        .reader_queue_bytes = 64 * 1024};
  std::size_t frames = 0;
  std::optional<DataService> service{std::in_place, loop, 0, settings};
  service::Shell shell{
      {store, nullptr, random, [this](const Endpoint&, std::span<const std::uint8_t>) { ++frames; },
       [] { return Instant{1'000'000'000}; }, service->port().receive},
      {.incarnation = 1, .salt = 2},
      [this](service::Report& report) {
        if (auto* switched = std::get_if<protocol::GenerationSwitched>(&report))
          service->asr_changed(switched->asr_id);
        if (auto* retired = std::get_if<protocol::AsrRetired>(&report)) service->asr_changed(retired->asr_id);
      }};

  void install(protocol::AsrId id, const std::string& label) {
    protocol::InstallAsr event{test::sample_asr(3, random), 0, true, 0};
    event.asr.description.id = id;
    event.asr.description.label = label;
    shell.post(std::move(event));
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(settings.folder))
      out.push_back(entry.path().filename().string());
    std::ranges::sort(out);
    return out;
  }
  void settle() {
    for (int turns = 0; turns < 1000 && loop.run_ready(); ++turns) continue;
  }
  [[nodiscard]] StatusSnapshot status() const {
    StatusSnapshot out;
    service->add_to(out);
    return out;
  }
};

using Names = std::vector<std::string>;

}  // namespace

Test(data_service, names_are_safe_for_a_folder) {
  cr_assert_eq(DataService::file_name("asr-1", 1, false), "asr-1.sock");
  cr_assert_eq(DataService::file_name("../../etc/passwd", 1, true), "_._.._etc_passwd-0000000000000001.sock");
  cr_assert_eq(DataService::file_name("..", 1, true), "_.-0000000000000001.sock");
  cr_assert_eq(DataService::file_name("gr\xc3\xbcn /", 0xab, true), "gr__n__-00000000000000ab.sock");
  cr_assert_eq(DataService::file_name(std::string(64, 'x'), 1, true).size(), 48 + 17 + 5);
  for (const char* plain : {"asr-1", "A.b_c"}) cr_assert(DataService::is_plain(plain));
  for (const char* not_plain : {".x", "a/b", "a b", "\xc3\xbc"})
    cr_assert_not(DataService::is_plain(not_plain));
  cr_assert_not(DataService::is_plain(std::string(49, 'x')));
}

Test(data_service, a_socket_comes_and_goes_with_its_asr) {
  Bench bench;
  bench.install(1, "held-before");
  bench.service->start(&bench.shell);
  cr_assert(bench.files() == (Names{"held-before.sock"}));
  bench.install(2, "a/b");
  bench.install(3, "held-before");
  cr_assert(bench.files() ==
            (Names{"a_b-0000000000000002.sock", "held-before-0000000000000003.sock", "held-before.sock"}));
  bench.shell.post(protocol::RetireAsr{2});
  cr_assert_eq(bench.files().size(), 2);
  bench.shell.post(protocol::EraseOperational{});  // quarantine, or a critical detection
  cr_assert(bench.files().empty());
  cr_assert(bench.status().findings.empty());
}

Test(data_service, a_message_becomes_a_frame_to_each) {
  Bench bench;
  bench.service->start(&bench.shell);
  bench.install(1, "x");
  DataClient client(bench.settings.folder + "/x.sock");
  cr_assert_eq(client.error(), 0);
  cr_assert(client.send(0xffff, {1}));
  cr_assert(client.send(1, {1}));
  cr_assert(client.send(77, {1}));
  bench.settle();
  cr_assert_eq(bench.frames, 3);
  cr_assert_eq(bench.status().counters.at("data_refused_unsendable"), 1);
  cr_assert_eq(bench.status().counters.at("data_clients"), 1);
  bench.service->deliver({1, 2, Bytes{5}});
  cr_assert(*client.receive() == (Bytes{0, 2, 0, 0, 5}));
  bench.service->deliver({99, 2, Bytes{5}});
  cr_assert_eq(bench.status().counters.at("data_dropped_no_reader"), 1);
}

Test(data_service, each_asr_has_its_own_counters_and_the_nodes_are_their_sum) {
  Bench bench;
  bench.service->start(&bench.shell);
  bench.install(1, "x");
  bench.install(2, "y");
  const auto counters = [&bench](protocol::AsrId id) {
    AsrSnapshot asr;
    asr.id = id;
    bench.service->add_to(asr);
    return asr.counters;
  };
  bench.service->deliver({1, 2, Bytes{5}});
  bench.service->deliver({1, 2, Bytes{5}});
  bench.service->deliver({2, 2, Bytes{5}});
  DataClient client(bench.settings.folder + "/y.sock");
  cr_assert(client.send(77, {1}));
  bench.settle();
  cr_assert_eq(counters(1).at("data_dropped_no_reader"), 2);
  cr_assert_eq(counters(1).at("data_clients"), 0);
  cr_assert_eq(counters(2).at("data_dropped_no_reader"), 1);
  cr_assert_eq(counters(2).at("data_clients"), 1);
  cr_assert_eq(counters(2).at("data_refused_unsendable"), 1);
  cr_assert(counters(3).empty());
  bench.shell.post(protocol::RetireAsr{1});
  cr_assert(counters(1).empty());
  cr_assert_eq(bench.status().counters.at("data_dropped_no_reader"), 3, "the node's own only grow");
}

Test(data_service, who_waits_for_the_network_goes_on_by_itself) {
  Bench bench;
  bench.service->start(&bench.shell);
  bench.install(1, "x");
  DataClient client(bench.settings.folder + "/x.sock");
  bench.loop.room_is = 0;
  cr_assert(client.send(1, {1}));
  bench.settle();
  cr_assert_eq(bench.frames, 0);
  bench.loop.room_is = 4096;
  bench.settle();
  cr_assert_eq(bench.frames, 1);
}

Test(data_service, stale_sockets_go_at_the_start_and_other_files_stay) {
  Bench before;
  before.service->start(&before.shell);
  before.install(1, "gone");
  std::filesystem::rename(before.settings.folder + "/gone.sock", before.settings.folder + "/kept");
  Bench bench;
  std::filesystem::create_directories(bench.settings.folder);
  before.shell.post(protocol::RetireAsr{1});
  std::filesystem::rename(before.settings.folder + "/kept", bench.settings.folder + "/gone.sock");
  bench.folder.write("asr/file.sock", "text");
  bench.service->start(&bench.shell);
  cr_assert(bench.files() == (Names{"file.sock"}));
  bench.install(1, "file");
  cr_assert_eq(bench.status().findings.size(), 1, "its name is taken by what is not ours");
  bench.shell.post(protocol::RetireAsr{1});
  cr_assert(bench.status().findings.empty());
}

Test(data_service, a_folder_that_others_may_write_is_not_used) {
  Bench bench;
  std::filesystem::create_directories(bench.settings.folder);
  cr_assert_eq(::chmod(bench.settings.folder.c_str(), 0777), 0);
  bench.install(1, "x");
  bench.service->start(&bench.shell);
  cr_assert(bench.files().empty());
  cr_assert_eq(bench.status().findings.size(), 1);
}

Test(data_service, no_folder_no_service) {
  Bench bench;
  bench.settings.folder.clear();
  bench.install(1, "x");
  bench.service->start(&bench.shell);
  bench.service->asr_changed(1);
  cr_assert(bench.loop.watches.empty());
  cr_assert(bench.status().findings.empty());
}

Test(data_service, a_clean_end_leaves_no_files) {
  Bench bench;
  bench.service->start(&bench.shell);
  bench.install(1, "x");
  bench.service.reset();
  cr_assert(bench.files().empty());
}
