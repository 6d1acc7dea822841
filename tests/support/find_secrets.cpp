// find_secrets SECRETS... -- FILES...: looks for recorded secrets (secret_observer_file.cpp) in files, as
// bytes and as hexadecimal text. Prints "label (n bytes) as bytes|hex in file at offset" for each file and
// secret found; exit 1 then.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::size_t kPiece = 16;  // any so many bytes of a secret in a row are a leak as well as the whole
constexpr std::size_t kShortest = 12;  // shorter ones (a nonce's first bytes) are found by chance

struct Needle {
  std::string bytes;
  std::string what;
};
using Index = std::unordered_multimap<std::uint64_t, Needle>;
// Most places are ruled out by the low bits of their first eight bytes.
constexpr std::size_t kFilter = std::size_t{1} << 24;

std::string read_whole(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::uint64_t key_of(const char* at) {
  std::uint64_t key = 0;
  std::memcpy(&key, at, sizeof key);
  return key;
}

std::string hex_of(std::string_view bytes, const char* digits) {
  std::string out;
  for (const char c : bytes) {
    out.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<std::uint8_t>(c) & 15]);
  }
  return out;
}

void add(Index& index, std::string_view secret, const std::string& label) {
  std::set<std::string> pieces{std::string(secret.substr(0, kPiece))};
  for (std::size_t at = 1; at + kPiece <= secret.size(); ++at) pieces.emplace(secret.substr(at, kPiece));
  const std::string name = label + " (" + std::to_string(secret.size()) + " bytes)";
  for (const std::string& piece : pieces) {
    const Needle forms[] = {{piece, name + " as bytes"},
                            {hex_of(piece, "0123456789abcdef"), name + " as hex"},
                            {hex_of(piece, "0123456789ABCDEF"), name + " as hex"}};
    for (const Needle& form : forms) index.emplace(key_of(form.bytes.data()), form);
  }
}

/// Records: label length, secret length (u32, host order), label, secret.
std::size_t load(Index& index, const char* path) {
  const std::string data = read_whole(path);
  std::set<std::string> seen;
  for (std::size_t at = 0; at + 8 <= data.size();) {
    std::uint32_t sizes[2] = {0, 0};
    std::memcpy(sizes, data.data() + at, sizeof sizes);
    at += sizeof sizes;
    if (at + sizes[0] + sizes[1] > data.size()) break;
    const std::string label = data.substr(at, sizes[0]);
    const std::string secret = data.substr(at + sizes[0], sizes[1]);
    at += sizes[0] + sizes[1];
    if (secret.size() >= kShortest && seen.insert(secret).second) add(index, secret, label);
  }
  return seen.size();
}

std::size_t search(const Index& index, const std::vector<bool>& first, const char* path) {
  const std::string data = read_whole(path);
  std::set<std::string> found;
  for (std::size_t at = 0; at + 8 <= data.size(); ++at) {
    const std::uint64_t key = key_of(data.data() + at);
    if (!first[key % kFilter]) continue;
    const auto [begin, end] = index.equal_range(key);
    for (auto needle = begin; needle != end; ++needle) {
      if (data.compare(at, needle->second.bytes.size(), needle->second.bytes) != 0) continue;
      if (found.insert(needle->second.what).second) {
        std::printf("%s in %s at %zu\n", needle->second.what.c_str(), path, at);
      }
    }
  }
  return found.size();
}

}  // namespace

int main(int argc, char** argv) {
  Index index;
  std::size_t secrets = 0;
  int i = 1;
  for (; i < argc && std::string_view(argv[i]) != "--"; ++i) secrets += load(index, argv[i]);
  std::vector<bool> first(kFilter);
  for (const auto& [key, needle] : index) first[key % kFilter] = true;
  std::size_t found = 0;
  for (++i; i < argc; ++i) found += search(index, first, argv[i]);
  std::printf("%zu secrets, %zu found\n", secrets, found);
  return secrets == 0 || found > 0 ? 1 : 0;
}
