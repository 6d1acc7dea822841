#include "daemon/node/data_socket.h"

#include <criterion/criterion.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/data_client.h"
#include "tests/support/fake_loop.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::node;
using akm::test::DataClient;
using Bytes = std::vector<std::uint8_t>;

namespace {

struct Bench {
  test::TemporaryFolder folder;
  test::FakeLoop loop;
  DataAccess access{{std::to_string(geteuid())}, {}};
  DataInbox inbox;
  DataCounters counters;
  std::vector<std::pair<std::uint16_t, Bytes>> sent;
  bool unsendable = false;
  std::string path = folder.file("asr.sock");
  std::unique_ptr<DataSocket> socket;

  DataSocket::Parts parts() {
    return {.loop = loop,
            .access = access,
            .inbox = inbox,
            .counters = counters,
            .clients_most = 4,
            .reader_queue_bytes = 16 * 1024,
            .room = [this] { return loop.room_is; }};
  }
  Status open() {
    auto opened =
        DataSocket::open(parts(), path, [this](std::uint16_t to, std::span<const std::uint8_t> bytes) {
          if (unsendable) return Status(fail(Errc::not_found));
          sent.emplace_back(to, Bytes(bytes.begin(), bytes.end()));
          return Status();
        });
    if (!opened) return std::unexpected(opened.error());
    socket = std::move(*opened);
    return {};
  }
  void settle() {
    for (int turns = 0; turns < 10'000; ++turns) {
      if (!loop.run_ready()) return;
    }
    cr_assert_fail("the loop does not come to rest");
  }
};

}  // namespace

Test(data_socket, datagrams_go_both_ways) {
  Bench bench;
  cr_assert(bench.open().has_value());
  struct stat info{};
  cr_assert_eq(::stat(bench.path.c_str(), &info), 0);
  cr_assert_eq(info.st_mode & 0777, 0660);
  DataClient one(bench.path);
  DataClient other(bench.path);
  bench.settle();
  cr_assert_eq(bench.socket->clients(), 2);
  cr_assert(one.send(3, {1, 2}));
  cr_assert(one.send(0xffff, {}));
  cr_assert(other.send(4, Bytes(1144)));
  bench.settle();
  cr_assert_eq(bench.sent.size(), 3);
  cr_assert_eq(bench.sent[0].first, 3);
  cr_assert(bench.sent[0].second == (Bytes{1, 2}));
  cr_assert_eq(bench.sent[1].first, 0xffff);
  bench.socket->deliver(0x0102, Bytes{9});
  for (DataClient* client : {&one, &other}) cr_assert(*client->receive() == (Bytes{1, 2, 0, 0, 9}));
  cr_assert_not(one.receive().has_value());
}

Test(data_socket, the_file_goes_with_the_socket) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  bench.settle();
  bench.socket.reset();
  cr_assert_neq(::access(bench.path.c_str(), F_OK), 0);
  cr_assert(client.ended());
  cr_assert(bench.loop.watches.empty());
}

Test(data_socket, what_an_earlier_run_left_is_replaced_and_nothing_else) {
  Bench left;
  cr_assert(left.open().has_value());
  Bench bench;
  bench.path = left.path;
  cr_assert_eq(bench.open().error().code, Errc::already_exists, "somebody listens there");
  cr_assert_eq(::access(left.path.c_str(), F_OK), 0, "and still does");
  // As after kill -9: the file is there, and nobody listens.
  const std::string kept = left.folder.file("kept");
  cr_assert_eq(::rename(left.path.c_str(), kept.c_str()), 0);
  left.socket.reset();
  cr_assert_eq(::rename(kept.c_str(), left.path.c_str()), 0);
  cr_assert(bench.open().has_value());
  bench.socket.reset();
  left.folder.write("asr.sock", "somebody's file");
  cr_assert_eq(bench.open().error().code, Errc::already_exists);
  std::string content;
  std::ifstream(left.path) >> content;
  cr_assert_eq(content, "somebody's");
  cr_assert_eq(::unlink(left.path.c_str()), 0);
  cr_assert_eq(::symlink("/nowhere", left.path.c_str()), 0);
  cr_assert_eq(bench.open().error().code, Errc::already_exists, "a link is not followed");
}

Test(data_socket, a_path_that_fits_no_address_is_an_error) {
  Bench bench;
  bench.path = bench.folder.file(std::string(120, 'x'));
  cr_assert_eq(bench.open().error().code, Errc::invalid_argument);
}

Test(data_socket, who_is_not_allowed_is_turned_away) {
  Bench bench;
  bench.access = DataAccess({"65533"}, {});
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  bench.settle();
  cr_assert(client.ended());
  cr_assert_eq(bench.counters.clients_refused, 1);
  cr_assert_eq(bench.socket->clients(), 0);
}

Test(data_socket, a_thousand_connects_cost_no_more_than_the_limit) {
  Bench bench;
  cr_assert(bench.open().has_value());
  std::vector<std::unique_ptr<DataClient>> clients;
  std::size_t connected = 0;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<DataClient>(bench.path));
    connected += clients.back()->error() == 0 ? 1U : 0U;
    if (i % 32 == 0) bench.settle();
    if (clients.size() > 200) clients.erase(clients.begin() + 4);  // the first four stay
  }
  bench.settle();
  cr_assert_eq(bench.socket->clients(), 4);
  cr_assert_eq(bench.counters.clients_refused, connected - 4);
  cr_assert(clients[0]->send(1, {1}));
  bench.settle();
  cr_assert_eq(bench.sent.size(), 1, "those who are there go on");
  clients.clear();
  bench.settle();
  cr_assert_eq(bench.socket->clients(), 0);
  DataClient next(bench.path);
  bench.settle();
  cr_assert_eq(bench.socket->clients(), 1);
}

Test(data_socket, without_descriptors_the_loop_comes_to_rest) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  rlimit before{};
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
  const UniqueFd highest(::dup(0));
  const rlimit none{static_cast<rlim_t>(highest.get()), before.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
  bench.settle();
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
  cr_assert_eq(bench.counters.clients_refused, 1);
  cr_assert(client.ended());
}

Test(data_socket, garbage_ends_the_connection_that_it_came_by) {
  const std::vector<Bytes> bad{{1}, {0, 1, 0}, {0, 1, 0, 1}, Bytes(1149), Bytes(60'000)};
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient good(bench.path);
  for (const Bytes& message : bad) {
    DataClient client(bench.path);
    bench.settle();
    cr_assert(client.send_raw(message));
    bench.settle();
    cr_assert(client.ended(), "%zu bytes", message.size());
  }
  cr_assert_eq(bench.counters.refused_malformed, bad.size());
  cr_assert(bench.sent.empty());
  cr_assert(good.send(1, {1}));
  bench.settle();
  cr_assert_eq(bench.sent.size(), 1);
}

Test(data_socket, what_cannot_be_sent_is_counted_and_ends_nothing) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  bench.unsendable = true;
  cr_assert(client.send(9, {1}));
  bench.settle();
  bench.unsendable = false;
  cr_assert(client.send(1, {1}));
  bench.settle();
  cr_assert_eq(bench.counters.refused_unsendable, 1);
  cr_assert_eq(bench.sent.size(), 1);
}

Test(data_socket, what_was_sent_before_the_client_closed_is_sent) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  bench.settle();
  for (std::uint8_t i = 0; i < 100; ++i) cr_assert(client.send(1, {i}));
  client.close();
  bench.settle();
  cr_assert_eq(bench.sent.size(), 100);
  cr_assert_eq(bench.socket->clients(), 0);
  bench.socket->deliver(1, Bytes{1});
  cr_assert_eq(bench.counters.dropped_no_reader, 1);
}

Test(data_socket, a_client_that_is_gone_is_noticed_by_a_delivery) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient one(bench.path);
  DataClient other(bench.path);
  bench.settle();
  one.close();
  bench.socket->deliver(1, Bytes{1});
  cr_assert_eq(bench.socket->clients(), 1);
  cr_assert(*other.receive() == (Bytes{0, 1, 0, 0, 1}));
}

Test(data_socket, who_never_reads_loses_its_own_datagrams_only) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient slow(bench.path);
  DataClient quick(bench.path);
  bench.settle();
  constexpr std::size_t kDatagrams = 1000;
  for (std::size_t i = 0; i < kDatagrams; ++i) {
    bench.socket->deliver(1, Bytes(1000));
    cr_assert(quick.receive().has_value());
  }
  cr_assert_gt(bench.counters.dropped_slow_reader, 0);
  std::size_t kept = 0;
  while (slow.receive()) ++kept;
  cr_assert_eq(kept + bench.counters.dropped_slow_reader, kDatagrams);
  bench.socket->deliver(1, Bytes{7});
  cr_assert(slow.receive().has_value(), "it may go on");
}

Test(data_socket, clients_wait_while_the_network_has_no_room) {
  Bench bench;
  cr_assert(bench.open().has_value());
  bench.socket->set_fan_out(3);
  DataClient client(bench.path);
  bench.settle();
  bench.loop.room_is = 2;
  std::size_t sent = 0;
  while (client.send(1, Bytes(1000))) ++sent;
  bench.settle();
  cr_assert(bench.sent.empty(), "one message may become three datagrams");
  cr_assert(bench.socket->waits());
  cr_assert_not(client.send(1, {}), "its sender waits");
  bench.loop.room_is = 4096;
  bench.socket->resume();
  bench.settle();
  cr_assert_not(bench.socket->waits());
  cr_assert_eq(bench.sent.size(), sent, "and nothing was lost");
}

Test(data_socket, a_client_that_cannot_be_watched_is_turned_away) {
  Bench bench;
  cr_assert(bench.open().has_value());
  DataClient client(bench.path);
  bench.loop.fail_watches = true;
  bench.settle();
  cr_assert(client.ended());
  cr_assert_eq(bench.counters.clients_refused, 1);
}
