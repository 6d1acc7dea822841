#include "daemon/protocol/replay_window.h"

#include <criterion/criterion.h>

namespace {

using akm::protocol::ReplayWindow;

bool take(ReplayWindow& window, std::uint64_t sequence) {
  if (!window.fresh(sequence)) return false;
  window.commit(sequence);
  return true;
}

Test(replay_window, takes_each_number_once) {
  ReplayWindow window;
  for (const std::uint64_t n : {0U, 1U, 5U, 3U, 2U, 1000U, 4U}) {
    cr_assert(take(window, n));
    cr_assert(!take(window, n));
  }
}

Test(replay_window, reading_changes_nothing) {
  ReplayWindow window;
  cr_assert(window.fresh(7));
  cr_assert(window.fresh(7));
  window.commit(7);
  cr_assert(!window.fresh(7));
}

Test(replay_window, is_1024_wide) {
  ReplayWindow window;
  cr_assert(take(window, 5000));
  cr_assert(window.fresh(5000 - 1023));
  cr_assert(!window.fresh(5000 - 1024));
  cr_assert(take(window, 5000 - 1023));
  cr_assert(take(window, 5001));
  cr_assert(!window.fresh(5000 - 1023), "it has left the window");
}

Test(replay_window, a_jump_clears_all_of_it) {
  ReplayWindow window;
  for (std::uint64_t n = 0; n < 2000; ++n) cr_assert(take(window, n));
  cr_assert(take(window, 1'000'000));
  for (std::uint64_t n = 1'000'000 - 1023; n < 1'000'000; ++n) cr_assert(take(window, n));
  cr_assert(!window.fresh(1999));
}

Test(replay_window, what_is_too_old_is_not_written) {
  ReplayWindow window;
  cr_assert(take(window, 5000));
  window.commit(5000 - 1088);  // same place in the ring as 5000
  window.commit(5000 - 2000);
  cr_assert(!window.fresh(5000));
  cr_assert(window.fresh(4999));
}

Test(replay_window, the_highest_number_of_all_is_refused) {
  ReplayWindow window;
  cr_assert(!window.fresh(UINT64_MAX));
  window.commit(UINT64_MAX);
  cr_assert(take(window, UINT64_MAX - 1));
  cr_assert(!window.fresh(UINT64_MAX - 1));
  cr_assert(!window.fresh(0));
}

}  // namespace
