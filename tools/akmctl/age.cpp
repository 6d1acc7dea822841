#include "tools/akmctl/age.h"

#include <algorithm>
#include <chrono>

namespace akm::ctl {
namespace {

std::string span_text(std::chrono::nanoseconds span) {
  using namespace std::chrono;
  const auto shown = [](auto units, const char* name) { return std::to_string(units.count()) + name; };
  if (span >= days(2)) return shown(floor<days>(span), " d");
  if (span >= hours(2)) return shown(floor<hours>(span), " h");
  if (span >= minutes(2)) return shown(floor<minutes>(span), " min");
  return shown(floor<seconds>(span), " s");
}

}  // namespace

std::string age(std::int64_t then_ns, std::int64_t now_ns) {
  if (then_ns == 0 || then_ns > now_ns) return {};
  // A daemon may say anything: a span that has no number is no span.
  std::int64_t span = 0;
  if (__builtin_sub_overflow(now_ns, then_ns, &span)) return {};
  return span_text(std::chrono::nanoseconds(span));
}

std::string time_left(std::int64_t until_ns, std::int64_t now_ns) {
  if (until_ns == 0) return {};
  std::int64_t span = 0;
  if (__builtin_sub_overflow(until_ns, now_ns, &span)) return {};
  return span_text(std::chrono::nanoseconds(std::max<std::int64_t>(span, 0)));
}

}  // namespace akm::ctl
