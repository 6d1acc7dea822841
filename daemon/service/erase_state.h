#pragma once
// The end of a state: everything that the storage key sealed, and the key itself, on the disk and in the
// secure element. What begins after it is another identity.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/service/settings.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

/// Single-use ids of bundles, and wrong codes of them: a bundle opens once, and after so many wrong codes
/// never, whatever comes between.
inline constexpr std::string_view kUsedBundlesRecord = "used-bundles";
inline constexpr std::string_view kBundleTriesRecord = "bundle-tries";
/// Where a used bundle was left that is still to be removed.
inline constexpr std::string_view kBundleLeftRecord = "bundle-left";
/// What is taken along. It stands in the clear meanwhile: nothing of which somebody with the disk could make
/// more than by deleting it.
inline constexpr std::array kTakenAlong{kUsedBundlesRecord, kBundleTriesRecord, kBundleLeftRecord};

/// A secure element that does not answer so long is left as it is: the disk is empty by then, so that what it
/// keeps opens nothing.
inline constexpr Duration kElementPatience = std::chrono::seconds(10);

/// Names for a receipt, of a-z, 0-9, "-" and ":".
struct Erased {
  std::vector<std::string> gone;
  std::vector<std::string> failed;  // is there still, or nobody knows
  Status first;                     // of failed: why
};

/// With `mark` the marker of a golden image is left; without it kTakenAlong is taken along in the clear (it
/// holds no secret), and is in the next state. The open `store` is of no use afterwards: the program is to
/// start anew. Whatever fails, all else is erased. Waits for the disk, and for a secure element no longer
/// than `patience`.
Erased erase_state(const Settings& settings, store::SealedStore& store, bool mark,
                   Duration patience = kElementPatience);

/// At a start, before the state is opened. wrong_state on a machine that was generalized and not started anew
/// since: whoever made a state now would put it into the image. On any other the marker is removed.
Status take_off_mark(const Settings& settings);
/// Puts what was taken along into the new state, never in the place of what is there.
Status take_up_records(const Settings& settings, store::SealedStore& store);

}  // namespace akm::service
