#pragma once
// A store that writes as stores are often written. Its records are those of the real one; each habit loses
// some when the power fails, and the test that does not see it sees nothing.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "daemon/base/unique_fd.h"
#include "daemon/store/sealed_record.h"
#include "daemon/store/sealed_store.h"

namespace akm::testing {

enum class Habit : std::uint8_t {
  none,  // as the real one does
  no_sync_of_the_file,
  no_sync_of_the_folder,
  rename_before_sync,
  old_one_removed_first,
  in_place,
  in_place_truncated,
  zeros_before_unlink,  // removal as it was: not out of its name, durably, before it is overwritten
};

class CarelessStore final : public store::SealedStore {
 public:
  CarelessStore(std::unique_ptr<SealedStore> real, std::string folder, const SecretBytes<32>& key,
                RandomSource& random, Habit habit)
      : real_(std::move(real)),
        folder_(std::move(folder)),
        key_(key.clone()),
        random_(random),
        habit_(habit) {
    folder_fd_.reset(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  Result<SecretBuffer> read(std::string_view name) override { return real_->read(name); }
  Result<std::vector<std::string>> list() override { return real_->list(); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    AKM_ASSIGN(const auto sealed, store::seal_record(key_, name, record, random_));
    const std::string file(name);
    if (habit_ == Habit::in_place || habit_ == Habit::in_place_truncated) return overwrite(file, sealed);
    const std::string temporary = "." + file + ".0123456789abcdef.tmp";
    const int folder = folder_fd_.get();
    const UniqueFd fd(::openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    bool good = ::write(fd.get(), sealed.data(), sealed.size()) == static_cast<ssize_t>(sealed.size());
    const bool late = habit_ == Habit::rename_before_sync;
    if (habit_ != Habit::no_sync_of_the_file && !late) good = ::fsync(fd.get()) == 0 && good;
    if (habit_ == Habit::old_one_removed_first) (void)::unlinkat(folder, file.c_str(), 0);
    good = ::renameat(folder, temporary.c_str(), folder, file.c_str()) == 0 && good;
    if (late) good = ::fsync(fd.get()) == 0 && good;
    if (habit_ != Habit::no_sync_of_the_folder) good = ::fsync(folder) == 0 && good;
    if (!good) return fail_errno(Errc::storage_failed, file);
    return {};
  }
  Status remove(std::string_view name) override {
    if (habit_ != Habit::zeros_before_unlink) return real_->remove(name);
    const std::string file(name);
    const UniqueFd fd(::openat(folder_fd_.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return {};
    const std::string zeros(static_cast<std::size_t>(status.st_size), '\0');
    const bool good = ::pwrite(fd.get(), zeros.data(), zeros.size(), 0) == status.st_size &&
                      ::fdatasync(fd.get()) == 0 && ::unlinkat(folder_fd_.get(), file.c_str(), 0) == 0 &&
                      ::fsync(folder_fd_.get()) == 0;
    if (!good) return fail_errno(Errc::storage_failed, file);
    return {};
  }

 private:
  Status overwrite(const std::string& file, std::span<const std::uint8_t> sealed) {
    const int truncate = habit_ == Habit::in_place_truncated ? O_TRUNC : 0;
    const UniqueFd fd(
        ::openat(folder_fd_.get(), file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | truncate, 0600));
    const bool good =
        ::write(fd.get(), sealed.data(), sealed.size()) == static_cast<ssize_t>(sealed.size()) &&
        ::ftruncate(fd.get(), static_cast<off_t>(sealed.size())) == 0 && ::fsync(fd.get()) == 0 &&
        ::fsync(folder_fd_.get()) == 0;
    if (!good) return fail_errno(Errc::storage_failed, file);
    return {};
  }

  std::unique_ptr<SealedStore> real_;
  std::string folder_;
  SecretBytes<32> key_;
  RandomSource& random_;
  Habit habit_;
  UniqueFd folder_fd_;
};

}  // namespace akm::testing
