#include "daemon/node/bundle_leftover.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <filesystem>

#include "daemon/crypto/digest.h"
#include "tests/support/memory_store.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::node;

namespace {

BundleLeftover leftover_at(const std::string& path, std::string_view content) {
  BundleLeftover out;
  out.digest = crypto::sha256({{reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}});
  out.use_id[0] = 7;
  out.path = path;
  out.receipt = "receipt\n";
  return out;
}

}  // namespace

Test(bundle_leftover, is_stored_and_comes_back_whole_or_not_at_all) {
  test::MemoryStore store;
  NodeRecords records(store);
  cr_assert_not(records.leftover()->has_value());
  const BundleLeftover leftover = leftover_at("/media/a.akmbundle", "x");
  cr_assert(records.save_leftover(leftover));
  cr_assert(**records.leftover() == leftover);
  const auto bytes = leftover.encode();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    cr_assert_not(BundleLeftover::decode(std::span(bytes).first(size)).has_value(), "%zu", size);
  cr_assert(records.erase_leftover());
  cr_assert_not(records.leftover()->has_value());
}

Test(bundle_leftover, the_same_file_is_removed_and_no_other) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a.akmbundle", "another bundle of this name");
  const BundleLeftover leftover = leftover_at(path, "the used one");
  cr_assert_eq(remove_leftover(leftover, {}, {}).error().code, Errc::not_found);
  cr_assert(std::filesystem::exists(path));
  folder.write("a.akmbundle", "the used one");
  cr_assert(remove_leftover(leftover, {}, {}).has_value());
  cr_assert_not(std::filesystem::exists(path));
  cr_assert(std::filesystem::exists(folder.file("a.akmreceipt")));
  // Again, as after a power cut before that was recorded: the receipt is there, and no bundle.
  cr_assert(remove_leftover(leftover, {}, {}).has_value());
  std::filesystem::remove(folder.file("a.akmreceipt"));
  cr_assert_eq(remove_leftover(leftover, {}, {}).error().code, Errc::not_found);
  // What is no receipt says nothing, and nobody waits for it.
  cr_assert_eq(::mkfifo(folder.file("a.akmreceipt").c_str(), 0600), 0);
  cr_assert_eq(remove_leftover(leftover, {}, {}).error().code, Errc::not_found);
  std::filesystem::remove(folder.file("a.akmreceipt"));
  folder.write("elsewhere", leftover.receipt);
  std::filesystem::create_symlink(folder.file("elsewhere"), folder.file("a.akmreceipt"));
  cr_assert_eq(remove_leftover(leftover, {}, {}).error().code, Errc::not_found);
}

Test(bundle_leftover, what_was_overwritten_and_not_removed_is_removed) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("a.akmbundle", std::string(12, '\0'));
  cr_assert(remove_leftover(leftover_at(path, "the used one"), {}, {}).has_value());
  cr_assert_not(std::filesystem::exists(path));
}

Test(bundle_leftover, it_is_found_under_another_name_of_the_drive) {
  const test::TemporaryFolder folder;
  folder.write("b.akmbundle", "the used one");
  const BundleLeftover leftover = leftover_at("/dev/none/a.akmbundle", "the used one");
  const auto look = [&] {
    return std::vector<service::BundleOffer>{{folder.path(), "c.akmbundle", {}, {}},
                                             {folder.path(), "b.akmbundle", leftover.digest, {}}};
  };
  cr_assert(remove_leftover(leftover, {}, look).has_value());
  cr_assert_not(std::filesystem::exists(folder.file("b.akmbundle")));
}
