// Preloaded into a daemon: its wall clock is off by the seconds that the file AKM_WALL_CLOCK holds, at this
// moment. The clock of the machine stays as it is, and all others too.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

// The file: seconds to add.
const std::int64_t* offset_s() {
  static const std::int64_t* const mapped = []() -> const std::int64_t* {
    const char* path = std::getenv("AKM_WALL_CLOCK");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) std::abort();  // a test that would show nothing
    void* at = mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) std::abort();
    return static_cast<const std::int64_t*>(at);
  }();
  return mapped;
}

// As soon as it is loaded: a daemon that never asks for the time is to have it all the same.
[[gnu::constructor]] void load() {
  (void)offset_s();
}

timespec shifted() {
  timespec now{};
  (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  now.tv_sec += __atomic_load_n(offset_s(), __ATOMIC_RELAXED);
  return now;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE && clock != CLOCK_TAI) {
    return static_cast<int>(syscall(SYS_clock_gettime, clock, out));
  }
  *out = shifted();
  return 0;
}

int gettimeofday(timeval* out, void* /*zone*/) noexcept {
  const timespec now = shifted();
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

int timespec_get(timespec* out, int base) noexcept {
  *out = shifted();
  return base;
}

time_t time(time_t* out) noexcept {
  const time_t now = shifted().tv_sec;
  if (out != nullptr) *out = now;
  return now;
}
}
