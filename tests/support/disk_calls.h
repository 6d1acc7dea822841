#pragma once
// What a program has the disk do: the calls that change files below one folder, in order, as the code under
// test made them. The linker puts the recorder between that code and the C library (akm_record_disk_calls in
// tests/support/disk_calls.cmake), so that nothing in the product knows of it.
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace akm::testing {

struct DiskCall {
  enum class Kind : std::uint8_t {
    make_file,
    make_folder,
    write,
    resize,
    rename,
    unlink,
    sync,
    sync_all,
    note
  };
  Kind kind{};
  std::size_t node = 0;    // what is made, written, resized or synchronised; the recorded folder is 0
  std::size_t folder = 0;  // in which a name is made, changed or removed
  std::string name;
  std::string to{};    // rename, in the same folder
  std::size_t at = 0;  // write: offset; resize: the size; note: its number
  std::vector<std::uint8_t> bytes{};
};

/// Records while it lives; one at a time. It can have calls fail, which are then neither made nor recorded.
class DiskCalls {
 public:
  /// `folder` is there, and empty.
  explicit DiskCalls(const std::string& folder);
  ~DiskCalls();
  DiskCalls(const DiskCalls&) = delete;
  DiskCalls& operator=(const DiskCalls&) = delete;

  /// Something that happened between two calls, by the caller's own numbering.
  void note(std::size_t number) { calls.push_back({.kind = DiskCall::Kind::note, .name = {}, .at = number}); }

  struct Fault {
    std::size_t change = 0;  // the calls that change something count from 1
    int error = 0;
    bool from_then_on = false;  // the process is dead, or the disk is
  };
  std::optional<Fault> fault;
  std::size_t changes = 0;
  std::size_t lost_sync = 0;  // this one does nothing, and says that it has: from 1
  std::size_t syncs = 0;
  std::vector<DiskCall> calls;

  // For the recorder's own calls.
  static DiskCalls* active();
  [[nodiscard]] bool fails();
  [[nodiscard]] std::optional<std::size_t> number_of(int fd) const;
  /// Of the folder that a path lies in.
  [[nodiscard]] std::optional<std::size_t> parent_of(int folder, const char* path) const;
  std::size_t made(const struct stat& status);

 private:
  [[nodiscard]] std::optional<std::size_t> find(const struct stat& status) const;

  std::map<std::pair<dev_t, ino_t>, std::size_t> numbers_;
  std::size_t last_ = 0;
};

}  // namespace akm::testing
