#include "daemon/service/start_handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <span>

#include "daemon/base/cursor.h"
#include "daemon/base/unique_fd.h"

namespace akm::service {
namespace {

constexpr const char* kVariable = "AKM_OPENED";
constexpr std::uint32_t kMagic = 0x414B4D4F;  // "AKMO"
constexpr std::size_t kBytes = 8192;
constexpr int kFirstOwnFd = 3;
constexpr std::array kKinds{keyring::SealerKind::tpm, keyring::SealerKind::software,
                            keyring::SealerKind::token};

/// The page of the descriptor, mapped; it is wiped when this ends.
class Page {
 public:
  explicit Page(int fd) : at_(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) {}
  ~Page() {
    if (!*this) return;
    if (wipe_) ::explicit_bzero(at_, kBytes);
    (void)::munmap(at_, kBytes);
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  explicit operator bool() const { return at_ != MAP_FAILED; }
  [[nodiscard]] std::span<std::uint8_t> bytes() const { return {static_cast<std::uint8_t*>(at_), kBytes}; }
  void keep() { wipe_ = false; }

 private:
  void* at_;
  bool wipe_ = true;
};

void write_text(Writer& writer, const std::string& text) {
  writer.u16(static_cast<std::uint16_t>(std::min<std::size_t>(text.size(), UINT16_MAX)));
  writer.bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string read_text(Reader& reader) {
  const auto bytes = reader.bytes(reader.u16());
  return {bytes.begin(), bytes.end()};
}

void write(Writer& writer, const Result<OpenedKey>& found) {
  writer.u32(kMagic);
  writer.u8(found ? 1 : 0);
  if (!found) {
    writer.u16(static_cast<std::uint16_t>(found.error().code));
    return write_text(writer, found.error().detail);
  }
  writer.u8(static_cast<std::uint8_t>(std::ranges::find(kKinds, found->kind) - kKinds.begin()));
  writer.u32(found->incarnation);
  writer.bytes(found->key.reveal());
  write_text(writer, found->description);
  writer.u8(found->hardware ? 1 : 0);
  writer.u16(static_cast<std::uint16_t>(found->hardware ? found->hardware->size() : 0));
  for (const auto& [name, value] : found->hardware.value_or(keyring::HardwareSources{})) {
    write_text(writer, name);
    write_text(writer, value);
  }
}

Result<OpenedKey> read_key(Reader& reader) {
  OpenedKey out;
  const std::uint8_t kind = reader.u8();
  if (kind >= kKinds.size()) return fail(Errc::internal, "what was handed over");
  out.kind = kKinds[kind];
  out.incarnation = reader.u32();
  const auto key = reader.bytes(keyring::kStorageKeyBytes);
  if (!reader.ok()) return fail(Errc::internal, "what was handed over");
  out.key = keyring::StorageKey::copy_of(key.first<keyring::kStorageKeyBytes>());
  out.description = read_text(reader);
  const bool collected = reader.u8() == 1;
  keyring::HardwareSources sources;
  for (std::uint16_t left = reader.u16(); left > 0 && reader.ok(); --left) {
    std::string name = read_text(reader);
    sources.emplace_back(std::move(name), read_text(reader));
  }
  if (!reader.ok()) return fail(Errc::internal, "what was handed over");
  if (collected) out.hardware = std::move(sources);
  return out;
}

Result<OpenedKey> read(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  if (reader.u32() != kMagic) return fail(Errc::internal, "what was handed over");
  if (reader.u8() == 1) return read_key(reader);
  const std::uint16_t code = reader.u16();
  std::string detail = read_text(reader);
  if (!reader.ok() || code >= kErrcCount) return fail(Errc::internal, "what was handed over");
  return fail(static_cast<Errc>(code), std::move(detail));
}

/// Neither is closed by exec: that is what they are for.
UniqueFd sized(long made) {
  UniqueFd fd(static_cast<int>(made));
  if (fd && ::ftruncate(fd.get(), kBytes) != 0) fd.reset();
  return fd;
}

}  // namespace

Status hand_over(const Result<OpenedKey>& found) {
  UniqueFd fd = sized(::syscall(SYS_memfd_secret, 0U));
  std::optional<Page> page;
  if (fd) page.emplace(fd.get());
  if (!page || !*page) {  // there is none, or no more locked memory for it
    page.reset();
    fd = sized(::syscall(SYS_memfd_create, "akm-start", 0U));
    if (fd) page.emplace(fd.get());
  }
  if (!page || !*page) return fail_errno(Errc::io_failed, "memory for the next start");
  Writer writer(page->bytes());
  write(writer, found);
  if (!writer.ok()) return fail(Errc::too_large, "what the next start is to know");
  // NOLINTNEXTLINE(concurrency-mt-unsafe): on the loop thread, and exec follows
  if (::setenv(kVariable, std::to_string(fd.get()).c_str(), 1) != 0)
    return fail_errno(Errc::io_failed, "environment of the next start");
  page->keep();
  (void)fd.release();
  return {};
}

std::optional<Result<OpenedKey>> take_over() {
  const char* text = ::getenv(kVariable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  int number = -1;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole =
      end.ec == std::errc{} && end.ptr == digits.data() + digits.size() && number >= kFirstOwnFd;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before the first thread
  (void)::unsetenv(kVariable);
  if (!whole) return std::nullopt;
  struct stat info{};
  // Not one of ours: it is left alone, whatever it is.
  if (::fstat(number, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != kBytes) return std::nullopt;
  const UniqueFd fd(number);
  const Page page(fd.get());
  if (!page) return std::nullopt;
  return read(page.bytes());
}

}  // namespace akm::service
