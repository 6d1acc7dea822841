// A fuzz target without libFuzzer: runs it on each file of the folders and files that are named. This is how
// any compiler, any sanitizer and a debugger replay a corpus.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> out;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t replayed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : files_of(argv[i])) {
      std::ifstream file(path, std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
      if (!file) return std::fprintf(stderr, "%s cannot be read\n", path.c_str()), 1;
      // Said first: a broken promise ends the process.
      std::printf("%s\n", path.c_str());
      (void)std::fflush(stdout);
      // In memory of just its size, so that AddressSanitizer sees each byte that is read beyond it.
      const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
      (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
      ++replayed;
    }
  }
  std::printf("%zu inputs replayed\n", replayed);
  return replayed > 0 ? 0 : 1;
}
