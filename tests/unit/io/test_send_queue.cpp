#include "daemon/io/send_queue.h"

#include <criterion/criterion.h>

using akm::io::SendQueue;

Test(send_queue, keeps_order_and_bytes) {
  SendQueue queue;
  const std::vector<std::uint8_t> first{1, 2, 3};
  const std::vector<std::uint8_t> second{4};
  cr_assert(queue.push(7, {}, first));
  cr_assert(queue.push(8, {}, second));
  cr_assert_eq(queue.entries().size(), 2);
  cr_assert_eq(queue.entries()[0].socket, 7);
  const auto bytes = queue.bytes_of(queue.entries()[0]);
  cr_assert(std::equal(bytes.begin(), bytes.end(), first.begin(), first.end()));
  cr_assert_eq(queue.bytes_of(queue.entries()[1])[0], 4);
  queue.clear();
  cr_assert(queue.empty());
}

Test(send_queue, refuses_what_is_too_long) {
  SendQueue queue;
  cr_assert(!queue.push(0, {}, std::vector<std::uint8_t>(akm::io::kDatagramMaxBytes + 1)));
  cr_assert(queue.push(0, {}, std::vector<std::uint8_t>(akm::io::kDatagramMaxBytes)));
}

Test(send_queue, bounded_in_datagrams_and_in_bytes) {
  SendQueue queue;
  for (std::size_t i = 0; i < SendQueue::kDatagrams; ++i)
    cr_assert(queue.push(0, {}, std::vector<std::uint8_t>(1)));
  cr_assert(!queue.push(0, {}, std::vector<std::uint8_t>(1)));
  queue.clear();
  std::size_t bytes = 0;
  const std::vector<std::uint8_t> large(akm::io::kDatagramMaxBytes);
  while (queue.push(0, {}, large)) bytes += large.size();
  cr_assert_leq(bytes, SendQueue::kBytes);
  cr_assert_gt(bytes, SendQueue::kBytes - large.size());
}

Test(send_queue, a_run_has_one_address_and_one_size) {
  const auto to = [](const char* text) {
    return *akm::io::to_socket_address(*akm::parse_endpoint(text), AF_INET);
  };
  const auto a = to("127.0.0.1:1");
  const auto b = to("127.0.0.1:2");
  SendQueue queue;
  const auto push = [&queue](std::uint32_t socket, const akm::io::SocketAddress& address, std::size_t size) {
    cr_assert(queue.push(socket, address, std::vector<std::uint8_t>(size)));
  };
  const auto run = [&queue] { return SendQueue::run_of(queue.entries()); };
  push(0, a, 100);
  cr_assert_eq(run(), 1);
  push(0, a, 100);
  push(0, a, 40);
  push(0, a, 40);
  cr_assert_eq(run(), 3, "the last may be shorter, and ends it");
  cr_assert_eq(queue.bytes_of(queue.entries().first(3)).size(), 240);
  cr_assert_eq(SendQueue::run_of(queue.entries().subspan(2)), 2);
  for (const auto& [socket, address, size] :
       {std::tuple(1U, a, std::size_t{100}), std::tuple(0U, b, std::size_t{100}),
        std::tuple(0U, a, std::size_t{101}), std::tuple(0U, a, std::size_t{0})}) {
    queue.clear();
    push(0, a, 100);
    push(socket, address, size);
    cr_assert_eq(run(), 1);
  }
}

Test(send_queue, a_run_is_no_longer_than_the_kernel_takes) {
  SendQueue queue;
  for (std::size_t i = 0; i < 200; ++i) cr_assert(queue.push(0, {}, std::vector<std::uint8_t>(100)));
  cr_assert_eq(SendQueue::run_of(queue.entries()), SendQueue::kRunDatagrams);
  queue.clear();
  for (std::size_t i = 0; i < 200; ++i) cr_assert(queue.push(0, {}, std::vector<std::uint8_t>(1900)));
  cr_assert_eq(SendQueue::run_of(queue.entries()), SendQueue::kRunBytes / 1900);
}

Test(send_queue, room_is_what_it_takes_for_sure) {
  SendQueue queue;
  const std::size_t room = queue.room();
  cr_assert_gt(room, 1000);
  for (std::size_t i = 0; i < room; ++i)
    cr_assert(queue.push(0, {}, std::vector<std::uint8_t>(akm::io::kDatagramMaxBytes)));
  cr_assert_eq(queue.room(), 0);
}
