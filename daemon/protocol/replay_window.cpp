#include "daemon/protocol/replay_window.h"

#include <algorithm>

namespace akm::protocol {

// A ring of words: the word of a number never moves, so that taking a number clears words instead of shifting
// bits.
bool ReplayWindow::fresh(std::uint64_t sequence) const {
  if (sequence >= next_) return sequence != UINT64_MAX;  // next_ must be able to lie above it
  if (next_ - sequence > limits::kReplayWindow) return false;
  const std::uint64_t word = words_[sequence / kWordBits % kWords];
  return (word >> (sequence % kWordBits) & 1) == 0;
}

void ReplayWindow::commit(std::uint64_t sequence) {
  if (sequence == UINT64_MAX) return;
  if (sequence >= next_) {
    // The highest word in use; the numbers of the words after it, up to the new one's, are all new.
    const std::uint64_t old_word = next_ == 0 ? 0 : (next_ - 1) / kWordBits;
    const std::uint64_t steps = std::min<std::uint64_t>(sequence / kWordBits - old_word, kWords);
    for (std::uint64_t i = 1; i <= steps; ++i) words_[(old_word + i) % kWords] = 0;
    next_ = sequence + 1;
  } else if (next_ - sequence > limits::kReplayWindow) {
    return;
  }
  words_[sequence / kWordBits % kWords] |= std::uint64_t{1} << (sequence % kWordBits);
}

}  // namespace akm::protocol
