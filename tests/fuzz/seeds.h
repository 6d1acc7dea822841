#pragma once
// Where seeds go: a folder for each target, a file for each seed.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace akm::fuzz {

using Bytes = std::vector<std::uint8_t>;

class Seeds {
 public:
  Seeds(std::filesystem::path corpus, bool check) : corpus_(std::move(corpus)), check_(check) {}

  /// `choice` are the bytes by which the target chooses what it does with the rest.
  void add(const char* target, const std::string& name, std::span<const std::uint8_t> bytes,
           Bytes choice = {}) {
    choice.insert(choice.end(), bytes.begin(), bytes.end());
    const auto path = corpus_ / target / ("seed-" + name);
    ++count_;
    if (check_) return compare(path, choice);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(choice.data()), static_cast<std::streamsize>(choice.size()));
    require(static_cast<bool>(file.flush()), "a seed can be written");
  }
  void add_text(const char* target, const std::string& name, std::string_view text, Bytes choice) {
    add(target, name, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, std::move(choice));
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t stale() const { return stale_; }

 private:
  void compare(const std::filesystem::path& path, const Bytes& expected) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
    const Bytes held(chars.begin(), chars.end());
    if (file && held == expected) return;
    ++stale_;
    std::printf("%s is not what the encoder writes\n", path.c_str());
  }

  std::filesystem::path corpus_;
  bool check_;
  std::size_t count_ = 0;
  std::size_t stale_ = 0;
};

/// Protocol: frames, payloads, bodies, bundles, records, stories of engines.
void add_protocol_seeds(Seeds& seeds);
/// What Root and NMM say to each other.
void add_root_seeds(Seeds& seeds);
/// The rest: sealed files, roles' records, probes, configuration, texts, D-Bus.
void add_role_seeds(Seeds& seeds);

}  // namespace akm::fuzz
