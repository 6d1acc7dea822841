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
