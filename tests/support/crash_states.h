#pragma once
// What a disk may hold when the power fails: all that a file system is free to leave after a sequence of
// calls, in the manner of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014) and of
// CrashMonkey (Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI
// 2018).
//
// - fsync and fdatasync of a file make its content and length durable, not its name; fsync of a folder makes
// the
//   names in it durable, not what they name (fsync(2)). POSIX promises no more; ext4 gives more than this.
// - What is not durable may be there or not, each for itself and in any order: each change of a name, each
// sector of
//   512 bytes of a written file, its length. A length without its data reads as zeros. A rename is one
//   change.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/disk_calls.h"
#include "tests/support/engine_net.h"

namespace akm::testing {

inline constexpr std::size_t kSectorBytes = 512;

/// Paths below the recorded folder; a folder has no content.
using DiskFile = std::optional<std::string>;
using DiskTree = std::map<std::string, DiskFile>;

class DiskModel {
 public:
  DiskModel() : nodes_{{0, Node{.is_folder = true}}} {}

  void apply(const DiskCall& call);
  /// As the running system sees it.
  [[nodiscard]] DiskTree seen() const;

  struct Bounds {
    std::size_t exhaustive = 512;  // up to so many states all are visited
    std::size_t samples =
        64;  // else so many drawn ones, beside those with everything, nothing, or one thing else
    /// The changes of a folder's names become durable in the order in which they were made, as with a
    /// journal.
    bool names_in_order = false;
  };
  using Visit = std::function<void(const DiskTree&)>;
  void each_state(const Bounds& bounds, SeededRandom& random, const Visit& visit) const;
  /// Whether any file, named or not, may still hold these bytes.
  [[nodiscard]] bool may_hold(std::string_view bytes) const;

 private:
  using Names = std::map<std::string, std::size_t>;
  struct Write {
    std::size_t at = 0;
    std::string bytes;
    bool resizes = false;  // to `at`
  };
  struct Rename {
    std::string gone;  // empty: none
    std::string name;  // empty: none
    std::size_t node = 0;
  };
  struct Node {
    bool is_folder = false;
    Names names{};                  // durable
    std::vector<Rename> renames{};  // since
    std::string content{};          // durable
    std::vector<Write> writes{};    // since
  };
  struct Choices;
  struct Picked;

  static void write(std::string& content, const Write& what);
  static void rename(Names& names, const Rename& what);
  [[nodiscard]] Names names_seen(const Node& folder) const;
  void sync(Node& node);
  void collect(std::size_t folder, const std::string& path, const Picked& picked, DiskTree& out) const;
  [[nodiscard]] Choices choices(const Bounds& bounds) const;

  std::map<std::size_t, Node> nodes_;
};

}  // namespace akm::testing
