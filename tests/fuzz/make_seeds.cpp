// Writes the seeds of all corpora with the real encoders: fuzz_seeds CORPUS. With --check it writes nothing
// and fails when a seed in the tree is not what it would write.
#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (!check && argc != 2) return std::fprintf(stderr, "usage: fuzz_seeds [--check] CORPUS\n"), 2;
  akm::fuzz::Seeds seeds(argv[argc - 1], check);
  akm::fuzz::add_protocol_seeds(seeds);
  akm::fuzz::add_root_seeds(seeds);
  akm::fuzz::add_role_seeds(seeds);
  std::printf("%zu seeds, %zu stale; renew with: fuzz_seeds tests/fuzz/corpus\n", seeds.count(),
              seeds.stale());
  return seeds.stale() == 0 ? 0 : 1;
}
