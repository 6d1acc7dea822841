#include "daemon/store/history_chain.h"

#include <criterion/criterion.h>

#include <set>

using namespace akm;
using namespace akm::store;

namespace {

ChainKeys keys(std::uint8_t value = 1) {
  SecretBytes<32> key;
  std::ranges::fill(key.reveal_mutable(), value);
  auto out = ChainKeys::derive(key);
  cr_assert(out.has_value());
  return std::move(*out);
}
HistoryRow row() {
  return {1, 2, "who", 3, "node", "00000000000000a1", "was", "became"};
}

}  // namespace

Test(history_chain, every_part_of_a_row_counts) {
  const ChainKeys key = keys();
  const ChainDigest before{};
  std::vector<HistoryRow> rows(10, row());
  rows[1].revision = 9;
  rows[2].unix_ns = 9;
  rows[3].who = "whom";
  rows[4].rollback_to = 0;
  rows[5].kind = "nmm";
  rows[6].id = "00000000000000a2";
  rows[7].was.reset();
  rows[8].became = "";
  rows[9].was = "wasbecame", rows[9].became = "";
  std::set<ChainDigest> digests;
  for (const HistoryRow& one : rows) digests.insert(*key.extend(before, one));
  digests.insert(*keys(2).extend(before, row()));
  digests.insert(*key.extend(*digests.begin(), row()));
  cr_assert_eq(digests.size(), 12);
  cr_assert(*key.extend(before, row()) == *keys().extend(before, row()));
}

Test(history_chain, nothing_and_an_empty_text_differ) {
  HistoryRow without = row();
  without.was.reset();
  HistoryRow empty = row();
  empty.was = "";
  cr_assert(*keys().extend({}, without) != *keys().extend({}, empty));
}

Test(history_chain, the_list_of_secrets_tells_number_and_place) {
  const ChainKeys key = keys();
  const SecretNumbers one{{{"nmm", "a1", "prs"}, 1}};
  const SecretNumbers other{{{"nmm", "a1", "prs"}, 2}};
  const SecretNumbers moved{{{"nmm", "a1p", "rs"}, 1}};
  const std::set<ChainDigest> digests{*key.list(1, one), *key.list(2, one), *key.list(1, other),
                                      *key.list(1, moved), *key.list(1, {})};
  cr_assert_eq(digests.size(), 5);
}

Test(history_chain, the_sealing_key_is_another) {
  SecretBytes<32> raw;
  std::ranges::fill(raw.reveal_mutable(), std::uint8_t{1});
  cr_assert(!(keys().sealing() == raw));
  cr_assert(keys().sealing() == keys().sealing());
}
