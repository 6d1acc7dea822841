#include "daemon/crypto/digest.h"

#include <criterion/criterion.h>

#include <vector>

#include "daemon/base/hex.h"

namespace {

using akm::crypto::sha256;
using Bytes = std::vector<std::uint8_t>;

// FIPS 180-4 examples.
Test(digest, known_answers) {
  cr_assert_eq(akm::hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const Bytes abc{'a', 'b', 'c'};
  cr_assert_eq(akm::hex(sha256({abc})), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(digest, parts_are_concatenated) {
  const Bytes a{'a'};
  const Bytes bc{'b', 'c'};
  const Bytes abc{'a', 'b', 'c'};
  cr_assert(sha256({a, bc}) == sha256({abc}));
  cr_assert(sha256({a, {}, bc, {}}) == sha256({abc}));
  cr_assert(sha256({bc, a}) != sha256({abc}));
}

Test(digest, piece_by_piece_is_the_same) {
  akm::crypto::Sha256 hash;
  Bytes all;
  for (std::uint8_t i = 0; i < 200; ++i) {
    const Bytes piece(i, i);
    hash.update(piece);
    all.insert(all.end(), piece.begin(), piece.end());
  }
  cr_assert(hash.finish() == sha256({all}));
}

// Two at once, with a one-shot in between: no context is shared.
Test(digest, objects_do_not_disturb_each_other) {
  akm::crypto::Sha256 one;
  akm::crypto::Sha256 two;
  const Bytes a{'a'};
  const Bytes b{'b'};
  one.update(a);
  two.update(b);
  const auto between = sha256({a});
  cr_assert(one.finish() == between);
  cr_assert(two.finish() == sha256({b}));
}

}  // namespace
