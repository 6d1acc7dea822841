#pragma once
// A drive: an ext4 or vfat image on a loop device, which goes with the test. The kernel calls it not
// removable.
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/support/run_program.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

class LoopDrive {
 public:
  /// `make`: the program that makes the filesystem and its options; none for an empty drive.
  explicit LoopDrive(std::vector<std::string> make = {"mkfs.ext4", "-q"}, const std::string& bytes = "8M") {
    const std::string image = folder_.file("image");
    (void)run_program({"truncate", "-s", bytes, image});
    if (!make.empty()) {
      make.push_back(image);
      const ProgramResult made = run_program(make);
      if (made.exit_code != 0) {
        why_not_ = make.front() + ": " + made.output;
        return;
      }
    }
    attach();
  }
  LoopDrive(const LoopDrive&) = delete;
  LoopDrive& operator=(const LoopDrive&) = delete;
  ~LoopDrive() { detach(); }

  /// Empty when the drive is there; else a test is skipped with it.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }
  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] dev_t number() const {
    struct stat info{};
    return ::stat(node_.c_str(), &info) == 0 ? info.st_rdev : 0;
  }
  void attach(bool read_only = false) {
    std::vector<std::string> command{"losetup", "--find", "--show"};
    if (read_only) command.emplace_back("--read-only");
    command.push_back(folder_.file("image"));
    const ProgramResult done = run_program(command);
    if (done.exit_code != 0) {
      why_not_ = "no loop device: " + done.output;
      return;
    }
    node_ = done.output.substr(0, done.output.find('\n'));
  }
  void detach() {
    if (!node_.empty()) (void)run_program({"losetup", "--detach", node_});
    node_.clear();
  }
  /// Mounts it, does something in it, unmounts it.
  template <typename Work>
  bool with_mounted(const Work& work) const {
    const std::string place = folder_.file("mounted");
    std::filesystem::create_directories(place);
    if (run_program({"mount", node_, place}).exit_code != 0) return false;
    work(place);
    return run_program({"umount", place}).exit_code == 0;
  }

 private:
  TemporaryFolder folder_;
  std::string node_;
  std::string why_not_;
};

}  // namespace akm::test

/// In a test: makes `name`, or skips with the reason.
#define NEED_LOOP_DRIVE(name, ...)        \
  akm::test::LoopDrive name{__VA_ARGS__}; \
  if (!(name).why_not().empty()) cr_skip_test("%s", (name).why_not().c_str())
