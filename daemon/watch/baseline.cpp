#include "daemon/watch/baseline.h"

#include <iterator>
#include <utility>

namespace akm::watch {
namespace {

constexpr std::size_t kTextBytes = 200;

// Names of files and devices are anybody's: what is shown of them is plain and short.
std::string shown(std::string text) {
  if (text.size() > kTextBytes) text.resize(kTextBytes);
  for (char& one : text) {
    if (one < ' ' || one > '~') one = '?';
  }
  return text;
}

std::string value_in(const Facts& facts, const std::string& name) {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string(kAbsent) : found->second;
}

}  // namespace

std::vector<Change> Baseline::compare(Facts now) {
  while (now.size() > kFactsMax) now.erase(std::prev(now.end()));
  std::vector<Change> out;
  if (!ready_) {
    ready_ = true;
    right_ = now;
    last_ = std::move(now);
    return out;
  }
  Facts names = last_;
  names.insert(now.begin(), now.end());
  for (const auto& [name, unused] : names) {
    std::string before = value_in(last_, name);
    std::string after = value_in(now, name);
    if (before == after) continue;
    const bool back = after == value_in(right_, name);
    out.push_back({name, std::move(before), std::move(after), back});
  }
  last_ = std::move(now);
  return out;
}

void Baseline::accept(const std::string& name) {
  const auto found = last_.find(name);
  if (found == last_.end()) {
    right_.erase(name);
  } else {
    right_[name] = found->second;
  }
}

policy::Detection seen(policy::DetectionClass detection, Instant now, const Change& change) {
  policy::Detection out;
  out.detection = detection;
  out.boottime_ns = now.ns;
  if (change.back) out.at_most = policy::Grade::observe;
  out.evidence = {
      {"what", shown(change.name)}, {"before", shown(change.before)}, {"after", shown(change.after)}};
  if (change.back) out.evidence.emplace("change", "back");
  return out;
}

}  // namespace akm::watch
