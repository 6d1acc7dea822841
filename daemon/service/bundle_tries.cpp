#include "daemon/service/bundle_tries.h"

#include <algorithm>
#include <utility>

#include "daemon/service/erase_state.h"

namespace akm::service {
namespace {

constexpr std::size_t kDigestBytes = std::tuple_size_v<protocol::Digest32>;
constexpr std::size_t kEntryBytes = kDigestBytes + 1;

auto find_in(auto& tried, const protocol::Digest32& bundle) {
  return std::ranges::find(tried, bundle, &BundleTries::Tried::bundle);
}

std::string seconds_until(Instant then, Instant now) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(then - now);
  return std::to_string(left.count()) + " s";
}

}  // namespace

std::vector<std::uint8_t> BundleTries::encode(const std::vector<Tried>& tried) {
  std::vector<std::uint8_t> out;
  for (const Tried& one : tried) {
    out.insert(out.end(), one.bundle.begin(), one.bundle.end());
    out.push_back(one.tries);
  }
  return out;
}

Result<std::vector<BundleTries::Tried>> BundleTries::decode(std::span<const std::uint8_t> bytes) {
  const auto corrupt = [] { return fail(Errc::state_corrupt, std::string(kBundleTriesRecord)); };
  if (bytes.size() % kEntryBytes != 0 || bytes.size() / kEntryBytes > kTriedBundles) return corrupt();
  std::vector<Tried> out;
  for (; !bytes.empty(); bytes = bytes.subspan(kEntryBytes)) {
    Tried one;
    std::ranges::copy(bytes.first(kDigestBytes), one.bundle.begin());
    one.tries = bytes[kDigestBytes];
    if (one.tries == 0 || one.tries > kBundleTries || find_in(out, one.bundle) != out.end()) return corrupt();
    out.push_back(one);
  }
  return out;
}

Status BundleTries::load(Instant now) {
  const auto stored = store_.read(kBundleTriesRecord);
  if (!stored && stored.error().code == Errc::not_found) return {};
  if (!stored) return std::unexpected(stored.error());
  AKM_ASSIGN(tried_, decode(stored->reveal()));
  // The clock of the boot before says nothing now: the whole delay, so that a restart shortens none.
  for (const Tried& one : tried_) not_before_[one.bundle] = now + pause_after_tries(one.tries);
  return {};
}

Status BundleTries::store(std::vector<Tried> next) {
  AKM_TRY(store_.write(kBundleTriesRecord, encode(next)));
  tried_ = std::move(next);
  return {};
}

Status BundleTries::begin(const protocol::Digest32& bundle, Instant now) {
  if (remaining(bundle) == 0) return fail(Errc::bundle_void);
  if (const auto wait = not_before_.find(bundle); wait != not_before_.end() && now < wait->second) {
    return fail(Errc::busy,
                "after a wrong code the next try is taken in " + seconds_until(wait->second, now));
  }
  std::vector<Tried> next = tried_;
  const auto known = find_in(next, bundle);
  if (known != next.end()) {
    ++known->tries;
  } else {
    if (next.size() >= kTriedBundles) {
      const auto open = std::ranges::find_if(next, [](const Tried& one) { return one.tries < kBundleTries; });
      const auto goes = open == next.end() ? next.begin() : open;
      not_before_.erase(goes->bundle);
      next.erase(goes);
    }
    next.push_back({bundle, 1});
  }
  return store(std::move(next));
}

Status BundleTries::opened(const protocol::Digest32& bundle) {
  not_before_.erase(bundle);
  std::vector<Tried> next = tried_;
  std::erase_if(next, [&bundle](const Tried& one) { return one.bundle == bundle; });
  return store(std::move(next));
}

Status BundleTries::give_back(const protocol::Digest32& bundle) {
  std::vector<Tried> next = tried_;
  const auto known = find_in(next, bundle);
  if (known == next.end()) return {};
  if (--known->tries == 0) next.erase(known);
  return store(std::move(next));
}

std::string BundleTries::failed(const protocol::Digest32& bundle, Instant now) {
  const unsigned left = remaining(bundle);
  if (left == 0) {
    not_before_.erase(bundle);
    return "that was the last try, the bundle is void; prepare a new one";
  }
  const Instant then = now + pause_after_tries(kBundleTries - left);
  not_before_[bundle] = then;
  return std::to_string(left) + (left == 1 ? " try remains" : " tries remain") + ", the next one in " +
         seconds_until(then, now);
}

unsigned BundleTries::remaining(const protocol::Digest32& bundle) const {
  const auto known = find_in(tried_, bundle);
  return known == tried_.end() ? kBundleTries : kBundleTries - known->tries;
}

}  // namespace akm::service
